"""How devices speak: one family a folder, on media that own the lines."""
