"""Sensors of air and weather."""
