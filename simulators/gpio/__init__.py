"""Twins of what hangs on pins, and of the service that hands pins to other programs."""
