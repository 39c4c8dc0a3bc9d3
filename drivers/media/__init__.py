"""The owners of lines, and what a driver sees of them."""
