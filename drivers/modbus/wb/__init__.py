"""`mayak import wb-template`: a profile from a template that a user wrote for Wiren Board."""
