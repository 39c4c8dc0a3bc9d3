"""`mayak demo`: a whole site in one terminal, every part a process of its own, as in a cabinet."""
