"""Twins of sensors of air and weather, and what they measure."""
