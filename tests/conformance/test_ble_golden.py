"""Frames from the documents and frames that independent readers have read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.ble.bthome import codec as bthome
from drivers.ble.ruuvi import codec as ruuvi
from gateway.model.reading import Value

GOLDEN = Path(__file__).parents[1] / "golden" / "ble"
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
ADDRESS = bytes.fromhex("5448E68F80A5")
Frame = tuple[bytes, dict[str, Value | None]]


def frames(name: str) -> Iterator[Frame]:
    """Yield the frames of a file with what they say."""
    found: Frame | None = None
    for line in (GOLDEN / f"{name}.txt").read_text().splitlines():
        sign, _, rest = line.partition(" ")
        if sign == "<<":
            if found is not None:
                yield found
            found = (bytes.fromhex(rest), {})
        elif sign == "=" and found is not None:
            point, _, value = rest.partition(" ")
            found[1][point] = ast.literal_eval(value)
    if found is not None:
        yield found


def close(found: Value | None, said: Value | None, within: float) -> bool:
    if isinstance(found, bool) or isinstance(said, bool | None):
        return found is said
    assert isinstance(found, int | float)
    assert isinstance(said, int | float)
    return abs(found - said) <= within


def read(data: bytes) -> dict[str, Value | None]:
    if bthome.is_encrypted(data):
        return bthome.decode(
            bthome.open_sealed(data, bthome.cipher_of(KEY), ADDRESS).objects
        ).values
    return bthome.decode(data[1:]).values


@pytest.mark.parametrize("name", ["bthome_format", "bthome_peer"])
def test_bthome_reads_what_the_format_and_others_read(name: str) -> None:
    seen = 0
    for data, values in frames(name):
        found = read(data)
        # what a number of three or two digits on the page may hide; pounds are rounded as well
        within = 0.051 if data[1:2] in {b"\x58", b"\x07"} else 1e-6
        assert found.keys() == values.keys(), data.hex(" ")
        assert all(close(found[point], values[point], within) for point in values), data.hex(" ")
        seen += 1
    assert seen > 70


def test_bthome_opens_the_example_of_the_encryption_page() -> None:
    data = bytes.fromhex("41e445f3c9962b332211006c7c4519")
    sealed = bthome.open_sealed(data, bthome.cipher_of(KEY), ADDRESS)
    assert sealed == (bytes.fromhex("02ca0903bf13"), 1_122_867)
    assert bthome.decode(sealed.objects).values == {"temperature": 25.06, "humidity": 50.55}


@pytest.mark.parametrize(("name", "digits"), [("ruuvi_documentation", 6), ("ruuvi_peer", 2)])
def test_ruuvi_reads_what_the_documentation_and_others_read(name: str, digits: int) -> None:
    seen = 0
    for data, values in frames(name):
        frame = ruuvi.decode(data)
        table = ruuvi.TABLES[ruuvi.MODEL[frame.format]]
        names = [str(point.name) for point in table]
        found = dict(zip(names, frame.cells, strict=True))
        for point, said in values.items():
            ours, scale = ("battery_voltage", 1000.0) if point == "voltage" else (point, 1.0)
            value = found[ours]
            if scale != 1 and isinstance(value, float):
                value *= scale
            assert close(value, said, 0.51 * 10**-digits), (data.hex(" "), point, value, said)
        seen += 1
    assert seen >= 12
