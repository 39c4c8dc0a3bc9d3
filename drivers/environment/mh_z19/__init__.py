"""MH-Z19B and MH-Z19C: carbon dioxide in a room."""
