"""Devices whose frames or characteristics a profile describes."""
