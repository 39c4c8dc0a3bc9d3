"""The agent: what happens to a reading or a command, whatever the device."""

__version__ = "0.1.0"
