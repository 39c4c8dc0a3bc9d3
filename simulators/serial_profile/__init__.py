"""Twins of devices with a text or simple binary protocol."""
