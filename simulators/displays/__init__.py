"""Twins of boards of light."""
