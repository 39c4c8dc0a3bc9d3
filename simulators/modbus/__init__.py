"""Modbus twins, written from the specification; they share nothing with the drivers."""
