"""The host side of our own microcontroller boards. The room is empty yet: see README.md."""
