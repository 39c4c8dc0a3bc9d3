"""From frames to counts. The room is empty yet: see README.md."""
