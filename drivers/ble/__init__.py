"""Bluetooth Low Energy: one adapter, what it hears, and devices that are asked over GATT."""
