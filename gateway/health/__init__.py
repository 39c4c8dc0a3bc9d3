"""What the gateway says of itself: its own points, its logs, its signs of life."""
