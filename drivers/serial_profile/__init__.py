"""Devices with a text or simple binary protocol: one driver, and telegrams as data."""
