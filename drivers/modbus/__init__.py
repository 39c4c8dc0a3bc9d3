"""Modbus: one driver, and register maps as data."""
