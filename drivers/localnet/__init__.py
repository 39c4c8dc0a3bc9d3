"""Devices of the local network: MQTT and HTTP, JSON by profile; apart from the uplink."""
