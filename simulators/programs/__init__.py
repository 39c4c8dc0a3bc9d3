"""The programs of a whole site, each a process of its own: what the demo and the bench start."""
