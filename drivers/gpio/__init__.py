"""Pins of a board: inputs, counters, outputs, pulse width modulation, through gpiozero."""
