"""Displays: boards of light that show texts, and how many places are free."""
