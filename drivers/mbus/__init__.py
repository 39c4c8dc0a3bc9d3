"""Wired M-Bus meters."""
