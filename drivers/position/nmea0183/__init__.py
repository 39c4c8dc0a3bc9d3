"""NMEA 0183: what a satellite receiver tells."""
