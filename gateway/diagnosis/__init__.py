"""Says what is wrong with a line, and what to do next."""
