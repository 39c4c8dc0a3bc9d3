"""The agent: what happens to a reading or a command, whatever the device."""
