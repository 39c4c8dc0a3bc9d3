"""Settling with the platform: what is sent, what is acknowledged, what is repeated."""
