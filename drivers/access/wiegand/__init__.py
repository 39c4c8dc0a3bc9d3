"""Readers with a Wiegand output on two pins, with keypad or without."""
