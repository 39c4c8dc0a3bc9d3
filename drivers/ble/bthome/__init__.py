"""Sensors that advertise in the BTHome v2 format, plain or encrypted."""
