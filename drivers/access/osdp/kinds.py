"""Numbers that libosdp uses on its Python side, by name, so that nothing needs it to be there.

A test compares them with the library. Source: libosdp 3.2, include/osdp.h.
"""

from __future__ import annotations

from enum import IntEnum


class Order(IntEnum):
    """What a reader can be told."""

    OUTPUT = 1
    LED = 2
    BUZZER = 3
    TEXT = 4
    STATUS = 9


class Event(IntEnum):
    """What a reader tells, and what libosdp tells of it."""

    CARD = 1
    KEYS = 2
    STATUS = 4
    NOTICE = 5


class Status(IntEnum):
    """Of what a status is."""

    OUTPUTS = 1
    LOCAL = 2
    """Tamper and power."""


class Notice(IntEnum):
    """What libosdp tells of a reader."""

    CHANNEL = 1
    """The secure channel: whether it stands, and whether with the factory key."""
    PRESENCE = 2


class Capability(IntEnum):
    """What a reader says it can do."""

    LED = 4
    SOUND = 5
    TEXT = 6
