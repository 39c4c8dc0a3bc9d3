"""Devices of a local network, as a scene knows them."""
