"""Profiles: models of devices as data, and what all kinds of them share."""
