"""Twins of what says where it is."""
