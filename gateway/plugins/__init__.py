"""Drivers and media: found by entry point, loaded only when a site names them."""
