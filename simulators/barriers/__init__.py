"""Twins of barriers and gates."""
