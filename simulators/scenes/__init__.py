"""Packaged scenes: TOML files that `mayak sim run NAME` finds by name."""
