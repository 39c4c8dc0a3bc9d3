"""Pulse counters of Modbus modules."""
