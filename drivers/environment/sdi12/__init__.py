"""SDI-12: weather, soil and water sensors on one wire, through a serial adapter."""
