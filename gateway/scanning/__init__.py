"""Looks for devices on a line."""
