"""One channel or parameter of a Wiren Board template: to the options of a point. Pure.

Source: README of wirenboard/wb-mqtt-serial, sample configuration and sample template; its JSON
schemas `wb-mqtt-serial-confed-common` (channels) and `wb-mqtt-serial-device-template` (parameters);
all read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.modbus.wb.figures import LeftOutError, number, pattern, short, whole
from drivers.modbus.wb.wordings import Remark
from drivers.modbus.wb.words import TYPES, UNITS, slug

Raw = Mapping[str, Any]  # Any: what JSON holds

TABLES: Final = {
    "coil": "coil",
    "discrete": "discrete",
    "input": "input",
    "holding": "holding",
    "holding_single": "holding",
    "holding_multi": "holding",
}
FORMATS: Final = {
    "u16": ("u16", 1),
    "s16": ("i16", 1),
    "u8": ("u16", 1),
    "bcd16": ("bcd16", 1),
    "u32": ("u32", 2),
    "s32": ("i32", 2),
    "bcd32": ("bcd32", 2),
    "float": ("float32", 2),
    "u64": ("u64", 4),
    "s64": ("i64", 4),
    "double": ("float64", 4),
}
"""Our type of each format, and its registers. Strings hold one character in a register there, and
24 bits lie in two: neither has a type here."""
ORDERS: Final = {
    (False, False): "ABCD",
    (True, False): "CDAB",
    (False, True): "BADC",
    (True, True): "DCBA",
}
"""By (words, bytes) being little endian."""
SWITCHES: Final = frozenset({"switch", "alarm", "pushbutton"})
COMPOUND: Final = frozenset({"rgb", "w1-id", "unixtime"})
KNOWN: Final = frozenset(
    {
        "address",
        "byte_order",
        "condition",
        "description",
        "enabled",
        "enum",
        "enum_titles",
        "error_value",
        "format",
        "group",
        "id",
        "max",
        "min",
        "name",
        "off_value",
        "offset",
        "on_value",
        "poll_interval",
        "read_period_ms",
        "read_rate_limit_ms",
        "readonly",
        "reg_type",
        "round_to",
        "scale",
        "semi-sporadic",
        "sporadic",
        "string_data_size",
        "title",
        "type",
        "units",
        "unsupported_value",
        "word_order",
        "write_address",
    }
)
"""Options that this page looks at; any other is told as not carried over."""

_PLAIN_SWITCH: Final = (("on_value", 1), ("off_value", 0))
"""What a bit says anyway."""
_ADDRESS: Final = re.compile(r"(0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,9})(?::([0-9]{1,3}):([0-9]{1,3}))?")
_LONGEST_PERIOD_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Translations:
    """What texts of a template are called in a language; a text that is not there stays."""

    ru: Mapping[str, str] = field(default_factory=dict)
    en: Mapping[str, str] = field(default_factory=dict)

    def of(self, text: str) -> dict[str, str]:
        """Return a text in both languages."""
        return {"ru": self.ru.get(text) or text, "en": self.en.get(text) or text}


@dataclass(slots=True)
class Converted:
    """What becomes of a channel."""

    part: str
    called: str
    options: dict[str, Any] = field(default_factory=dict)  # Any: what TOML holds
    remarks: list[Remark] = field(default_factory=list)

    def remark(self, key: str, **args: object) -> None:
        """Note that something is not as it was."""
        self.remarks.append(Remark(self.part, self.called, key, args))


def convert(raw: Raw, words: Translations, part: str, called: str) -> Converted:
    """Return the options of a point.

    Args:
        raw: the channel or parameter.
        words: translations of the template.
        part: `channel`, or `parameter`: a setting.
        called: what to call it in remarks.

    Raises:
        LeftOutError: it cannot be a point.
    """
    made = Converted(part, called)
    parameter = part == "parameter"
    _leave_out(raw, parameter=parameter)
    table, count = _place(raw, made)
    _value(raw, words, made, count)
    _limits(raw, made)
    _writing(raw, made, table, count, parameter=parameter)
    _people(raw, words, made)
    if not parameter:
        _period(raw, made)
    for option in sorted(set(raw) - KNOWN):
        made.remark("option", option=option, found=raw[option])
    return made


def _leave_out(raw: Raw, *, parameter: bool) -> None:
    if raw.get("enabled") is False:
        raise LeftOutError(key="disabled")
    for option in ("device_type", "oneOf"):
        if option in raw:
            raise LeftOutError(key="inner-device", option=option)
    if "consists_of" in raw:
        raise LeftOutError(key="compound", option="consists_of")
    kind = raw.get("type")
    if isinstance(kind, str) and kind in COMPOUND:
        raise LeftOutError(key="compound", option=kind)
    if kind == "wo-switch":
        raise LeftOutError(key="write-only")
    if "address" not in raw:
        raise LeftOutError(key="write-only" if "write_address" in raw else "no-address")
    if parameter and whole(raw.get("offset", 0), "offset", lenient=True):
        raise LeftOutError(key="parameter-offset")


# Where it lies


def _place(raw: Raw, made: Converted) -> tuple[str, int]:
    """Set table, address, type, mask and order; return the table and the number of registers."""
    kind = str(raw.get("reg_type", "holding"))
    if kind not in TABLES:
        raise LeftOutError(key="reg-type", reg_type=kind)
    table = TABLES[kind]
    found = _ADDRESS.fullmatch(str(raw["address"]))
    if found is None:
        raise LeftOutError(key="bad-address", address=raw["address"])
    made.options |= {"table": table, "address": whole(found[1], "address")}
    if table in {"coil", "discrete"}:
        return table, 1
    name = str(raw.get("format", "u16"))
    if name not in FORMATS:
        raise LeftOutError(key="format", format=name)
    made.options["type"], count = FORMATS[name]
    if found[2] is not None:
        _bits(raw, made, int(found[2]), int(found[3]), 16 * count)
    elif name == "u8":
        _byte(raw, made, table)
    order = ORDERS[
        count > 1 and raw.get("word_order") == "little_endian",
        raw.get("byte_order") == "little_endian",
    ]
    if order != "ABCD":
        made.options["order"] = order
    return table, count


def _bits(raw: Raw, made: Converted, shift: int, width: int, size: int) -> None:
    """Set the bits that an address of the form `register:shift:width` means."""
    if made.options["type"] not in {"u16", "u32"} or not 0 < width <= size - shift:
        raise LeftOutError(key="bad-address", address=raw["address"])
    made.options["mask"] = ((1 << width) - 1) << shift
    if width == 1 and made.options["type"] == "u16" and raw.get("type") in SWITCHES:
        made.options["type"] = "bool"


def _byte(raw: Raw, made: Converted, table: str) -> None:
    """Set what a byte in a register is: its low byte; all of it where it is written."""
    if table == "holding" and not raw.get("readonly"):
        made.remark("byte")
        made.options |= {"low": 0.0, "high": 255.0}
    else:
        made.options["mask"] = 0xFF


# What it means


def _value(raw: Raw, words: Translations, made: Converted, count: int) -> None:
    """Set what the raw value means: patterns for no value, then states or a quantity."""
    if made.options.get("type", "bool") == "bool":
        for option in ("error_value", "unsupported_value", "on_value", "off_value", "enum"):
            if option in raw and (option, raw[option]) not in _PLAIN_SWITCH:
                made.remark("no-sentinel", option=option, found=raw[option])
        return
    sentinels = {
        pattern(raw[option], option, 16 * count)
        for option in ("error_value", "unsupported_value")
        if option in raw
    }
    if sentinels:
        made.options["sentinel"] = sorted(sentinels)
    states = _states(raw, words, made)
    if not states:
        _quantity(raw, made)
        return
    for option in ("low", "high"):
        made.options.pop(option, None)
    made.options["states"] = states
    for option in ("scale", "offset", "round_to", "units"):
        if option in raw:
            made.remark("option", option=option, found=raw[option])


def _quantity(raw: Raw, made: Converted) -> None:
    """Set unit, scale, offset, and the change that is worth telling."""
    factor = _unit(raw, made)
    scale, offset = number(raw.get("scale", 1), "scale"), number(raw.get("offset", 0), "offset")
    for option, value, usual in (("scale", scale * factor, 1), ("offset", offset * factor, 0)):
        if value != usual:
            made.options[option] = short(value)
    for option in ("low", "high"):
        if option in made.options:
            made.options[option] = short((made.options[option] * scale + offset) * factor)
    if "round_to" in raw:
        step = number(raw["round_to"], "round_to")
        if step > abs(scale) or made.options["type"].startswith("float"):
            made.options["deadband"] = short(abs(step * factor))
            made.remark("round-to", round_to=raw["round_to"])


def _unit_of(raw: Raw) -> str:
    return str(raw.get("units") or TYPES.get(str(raw.get("type")), ""))


def _factor(raw: Raw) -> float:
    return UNITS.get(_unit_of(raw), ("1", 1.0))[1]


def _unit(raw: Raw, made: Converted) -> float:
    """Set the unit; return the factor into it."""
    unit = _unit_of(raw)
    if unit in UNITS:
        made.options["unit"] = UNITS[unit][0]
    elif unit:
        made.remark("unit", unit=unit)
    return _factor(raw)


def _states(raw: Raw, words: Translations, made: Converted) -> dict[str, Any]:  # Any: TOML
    """Return the states of a list of values, or of a switch that lies in a register."""
    if raw.get("type") in SWITCHES and "enum" not in raw:
        on = whole(raw.get("on_value", 1), "on_value")
        off = whole(raw.get("off_value", 0), "off_value")
        return {str(off): "off", str(on): "on"}
    if not raw.get("enum"):
        return {}
    found, titles = raw["enum"], raw.get("enum_titles") or []
    if not isinstance(found, list) or not isinstance(titles, list):
        raise LeftOutError(key="bad-number", option="enum", found=found)
    states: dict[str, Any] = {}
    names: set[str] = set()
    bare = []
    for place, item in enumerate(found):
        key = str(whole(item, "enum"))
        if place >= len(titles):
            bare.append(key)
            states[key] = f"state_{key}".replace("-", "minus_")
            continue
        title = str(titles[place])
        name = slug(words.of(title)["en"], "state")
        while name in names:
            name += f"_{key}".replace("-", "minus_")
        names.add(name)
        states[key] = {"name": name, **words.of(title or key)}
    if bare:
        made.remark("states-named", names=", ".join(bare))
    return states


def _limits(raw: Raw, made: Converted) -> None:
    table, kind = made.options["table"], made.options.get("type", "bool")
    entered = table == "holding" and not raw.get("readonly") and "states" not in made.options
    for option, ours in (("min", "low"), ("max", "high")):
        if option not in raw:
            continue
        if entered and kind != "bool":
            factor = UNITS.get(str(raw.get("units") or TYPES.get(str(raw.get("type")))), ("", 1.0))[
                1
            ]
            made.options[ours] = short(number(raw[option], option) * factor)
        else:
            made.remark("limits", option=option, found=raw[option])


def _writing(raw: Raw, made: Converted, table: str, count: int, *, parameter: bool) -> None:
    writable = table in {"coil", "holding"} and not raw.get("readonly")
    if writable and "write_address" in raw and raw["write_address"] != raw["address"]:
        made.remark("write-address", address=raw["write_address"])
        writable = False
    if not writable:
        return
    made.options["writable"] = True
    if raw.get("reg_type") == "holding_multi":
        made.options["write_function"] = "multiple"
    if raw.get("reg_type") == "holding_single" and count > 1:
        made.remark("holding-single", count=count)
    if "mask" in made.options:
        made.options["read_modify_write"] = True
    if raw.get("type") == "pushbutton" and not parameter:
        made.remark("button")


def _people(raw: Raw, words: Translations, made: Converted) -> None:
    title = raw.get("title") or raw.get("name") or raw.get("id")
    if title:
        made.options["title"] = words.of(str(title))
    if raw.get("description"):
        made.options["caveat"] = words.of(str(raw["description"]))
    if raw.get("condition"):
        made.remark("condition", condition=raw["condition"])
    if raw.get("sporadic") or raw.get("semi-sporadic"):
        made.remark("sporadic")


def _period(raw: Raw, made: Converted) -> None:
    for option in ("read_period_ms", "poll_interval", "read_rate_limit_ms"):
        if option in raw:
            period_s = number(raw[option], option) / 1000
            if 0 < period_s <= _LONGEST_PERIOD_S:
                made.options["period_s"] = short(period_s)
            else:
                made.remark("option", option=option, found=raw[option])
            return
