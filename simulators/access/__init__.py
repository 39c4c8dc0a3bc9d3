"""Twins of access readers."""
