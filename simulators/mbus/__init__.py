"""Twins of wired M-Bus meters."""
