"""Reads a Modbus profile (TOML) as a twin needs it: which registers there are, what they hold.

Written from the page of the format, `drivers/modbus/README.md`, apart from the driver's own
reader: a mistake of one of them shows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from simulators.modbus.profile.wire import WORDS, Form, bits_of

FOLDER: Final = Path(__file__).resolve().parents[3] / "drivers" / "profiles"
"""Mayak's own profiles, as data."""
TABLES: Final = ("coil", "discrete", "holding", "input")
_FUNCTIONS: Final = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_REFERENCES: Final = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_OBJECTS: Final = {
    "vendor_name": 0,
    "product_code": 1,
    "revision": 2,
    "vendor_url": 3,
    "product_name": 4,
    "model_name": 5,
    "application_name": 6,
}
_ADDRESSES: Final = 0x10000
_READ_SIZE: Final = 5
DEFAULT_GAP: Final = 8


Value = bool | float | str
"""What a point may be."""


class ProfileTwinError(ValueError):
    """No twin can be made of this profile; says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Registers or bits of one table."""

    table: str
    address: int
    count: int

    @property
    def addresses(self) -> range:
        """Return all addresses."""
        return range(self.address, self.address + self.count)


@dataclass(frozen=True, slots=True)
class Cell:
    """One point, or one signature: where it lies and what may stand there."""

    name: str
    place: Place
    form: Form
    unit: str = "1"
    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    sentinels: frozenset[int] = frozenset()
    states: Sequence[int] = ()
    writable: bool = False
    safe: Value | None = None
    likely: tuple[float, float] | None = None
    """What it lies between in a healthy device."""
    names: Mapping[str, int] = field(default_factory=dict)
    """Numbers of the states by name."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Registers that hold something fixed."""

    cell: Cell
    value: Value


@dataclass(frozen=True, slots=True)
class Held:
    """What a test vector says that some registers hold."""

    place: Place
    data: bytes
    """As in the answer: registers big-endian, bits packed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a twin needs of a profile."""

    name: str
    maker: str
    cells: Sequence[Cell]
    signatures: Sequence[Signature]
    objects: Mapping[int, bytes]
    vectors: Sequence[Held]
    max_gap: int
    never: Sequence[Place]


def find(profile: str) -> Path:
    """Return the file of a profile: a path that ends in .toml, or the name of one of Mayak's own.

    Raises:
        ProfileTwinError: there is none.
    """
    if profile.endswith(".toml"):
        path = Path(profile)
    else:
        path = FOLDER / f"{profile}.toml"
        if re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", profile) is None:
            msg = f"{profile!r} is no name of a profile"
            raise ProfileTwinError(msg)
    if not path.is_file():
        msg = f"there is no profile {profile!r} (looked for {path})"
        raise ProfileTwinError(msg)
    return path


def read_plan(path: Path) -> Plan:
    """Read a file.

    Raises:
        ProfileTwinError: it cannot be read, or no twin can be made of it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}"
        raise ProfileTwinError(msg) from error
    return parse_plan(text, path.stem)


def parse_plan(text: str, name: str) -> Plan:
    """Return what stands in the text of a profile.

    Raises:
        ProfileTwinError: no twin can be made of it.
    """
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        msg = f"{name}: this is no TOML: {error}"
        raise ProfileTwinError(msg) from error
    return plan_of(raw, name)


def plan_of(raw: dict[str, Any], name: str) -> Plan:  # Any: what TOML holds
    """Return the plan of a profile that was read as TOML.

    Raises:
        ProfileTwinError: no twin can be made of it.
    """
    try:
        return _plan(raw, name)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # Whatever is wrong with the file, `mayak profile test` says it with its line.
        msg = f"{name}: {type(error).__name__}: {error}"
        raise ProfileTwinError(msg) from error


def _plan(raw: dict[str, Any], name: str) -> Plan:  # Any: what TOML holds
    if raw.get("protocol", "modbus") != "modbus":
        msg = f"a profile of {raw['protocol']}, not of modbus"
        raise ProfileTwinError(msg)
    limits, identify = raw.get("limits", {}), raw.get("identify", {})
    never = [
        Place(table, first, last - first + 1)
        for table, ranges in limits.get("never", {}).items()
        for first, last in ranges
    ]
    likely = {
        str(each["point"]): (float(each["low"]), float(each["high"]))
        for each in identify.get("plausible", ())
    }
    return Plan(
        name,
        str(raw.get("maker", "")),
        cells=[replace(cell, likely=likely.get(cell.name)) for cell in map(_cell, raw["point"])],
        signatures=[_signature(each) for each in identify.get("signature", ())],
        objects=dict(map(_object, identify.get("object", ()))),
        vectors=[_held(vector) for vector in raw.get("vector", ())],
        max_gap=int(limits.get("max_gap", DEFAULT_GAP)),
        never=never,
    )


def _cell(raw: dict[str, Any]) -> Cell:  # Any: what TOML holds
    if "reference" in raw:
        table, address = _REFERENCES[raw["reference"][0]], int(raw["reference"][1:]) - 1
    else:
        table, address = raw["table"], int(raw["address"])
    if table not in TABLES:
        msg = f"there is no table {table!r}"
        raise ProfileTwinError(msg)
    kind = raw.get("type", "bool")
    bits = table in {"coil", "discrete"}
    if bits and kind != "bool":
        msg = f"{raw.get('name')}: {table} holds no {kind}"
        raise ProfileTwinError(msg)
    words = int(raw.get("length", 0)) // 2 if kind == "string" else WORDS[kind]
    place = Place(table, address, 1 if bits else words)
    if not (address >= 0 and place.count > 0 and address + place.count <= _ADDRESSES):
        msg = f"{raw.get('name')}: beyond the table"
        raise ProfileTwinError(msg)
    mask = None if "mask" not in raw else int(raw["mask"])
    if not float(raw.get("scale", 1.0)):
        msg = f"{raw.get('name')}: scale is 0"
        raise ProfileTwinError(msg)
    states = raw.get("states", {})
    return Cell(
        str(raw.get("name", "signature")),
        place,
        Form(
            kind,
            str(raw.get("order", "ABCD")),
            mask,
            int(raw.get("shift", bits_of(mask).start if mask else 0)),
            words,
            str(raw.get("encoding", "ascii")),
        ),
        unit=str(raw.get("unit", "1")),
        scale=float(raw.get("scale", 1.0)),
        offset=float(raw.get("offset", 0.0)),
        low=_number(raw.get("low")),
        high=_number(raw.get("high")),
        sentinels=frozenset(raw.get("sentinel", ())),
        states=[int(number) for number in states],
        writable=bool(raw.get("writable", False)),
        safe=raw.get("safe"),
        names={
            state if isinstance(state, str) else state["name"]: int(number)
            for number, state in states.items()
        },
    )


def _number(found: float | None) -> float | None:
    return None if found is None else float(found)


def _signature(raw: dict[str, Any]) -> Signature:  # Any: what TOML holds
    cell = _cell(raw)
    if raw.get("equals"):
        return Signature(cell, raw["equals"][0])
    if "pattern" in raw:
        return Signature(cell, matching(str(raw["pattern"]), raw.get("example")))
    return Signature(cell, raw.get("low", raw.get("high", 0)))


def _object(raw: dict[str, Any]) -> tuple[int, bytes]:  # Any: what TOML holds
    number = _OBJECTS[raw["id"]] if isinstance(raw["id"], str) else int(raw["id"])
    return number, matching(str(raw["pattern"]), raw.get("example")).encode("ascii")


def _held(raw: dict[str, Any]) -> Held:  # Any: what TOML holds
    request, answer = bytes.fromhex(raw["request"]), bytes.fromhex(raw["answer"])
    if len(request) != _READ_SIZE:
        msg = f"vector {raw['request']} is no read request"
        raise ProfileTwinError(msg)
    place = Place(
        _FUNCTIONS[request[0]],
        int.from_bytes(request[1:3], "big"),
        int.from_bytes(request[3:5], "big"),
    )
    size = 2 * place.count if place.table in {"holding", "input"} else (place.count + 7) // 8
    if len(answer) != size + 2 or not 0 < place.count <= _ADDRESSES - place.address:
        msg = f"vector {raw['request']} has an answer of another length"
        raise ProfileTwinError(msg)
    return Held(place, answer[2:])


_PLAIN: Final = re.compile(r"[\^$]|\\(?P<letter>.)|(?P<any>\.[*+?]?)|(?P<text>[^\\.^$]+)")


def matching(pattern: str, example: str | None) -> str:
    """Return a text that matches the expression: the example, or what is plain text in it.

    Raises:
        ProfileTwinError: the example does not match, or the expression needs one.
    """
    text = example
    if text is None:
        text = "".join(
            found["letter"] or found["text"] or ("x" if found["any"] in {".", ".+"} else "")
            for found in _PLAIN.finditer(pattern)
        )
    if re.match(pattern, text) is None:
        msg = f"{text!r} does not match {pattern!r}: give an example that does"
        raise ProfileTwinError(msg)
    return text
