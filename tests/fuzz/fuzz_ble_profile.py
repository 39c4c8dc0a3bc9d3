"""Any bytes to the fields of a Bluetooth profile: values, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.ble.profiled.fields import Field, Layout, Placed, Type
from gateway.model.errors import FrameError
from gateway.model.ids import PointId
from gateway.model.reading import Kind, Point

LAYOUT = Layout(
    tuple(
        Placed(
            Point(PointId(f"p{place}"), kind=Kind.TEXT if kind is Type.STRING else Kind.FLOAT64),
            Field(
                place,
                kind,
                order="big" if place % 2 else "little",
                length=5 if kind is Type.STRING else 0,
                sentinels=frozenset({0xFF}),
            ),
        )
        for place, kind in enumerate(Type)
    )
)


def one(data: bytes) -> None:
    """Feed one input."""
    with suppress(FrameError):
        LAYOUT.decode(data)
