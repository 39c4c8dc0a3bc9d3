"""A whole Wiren Board template: to the text of a profile, and what is not in it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.modbus.fields import MappedPoint
from drivers.modbus.point_schema import point_of
from drivers.modbus.profile import clash, parse_profile
from drivers.modbus.wb.channel import Converted, Translations, convert
from drivers.modbus.wb.figures import LeftOutError
from drivers.modbus.wb.json_text import TemplateError, loads
from drivers.modbus.wb.wordings import Remark
from drivers.modbus.wb.words import profile_name, slug
from drivers.profiles.writing import comment, head, key_of, toml
from gateway.model.profile import HeadWords

SETTINGS: Final = "settings"
SETTINGS_S: Final = 3600.0
DEFAULT_S: Final = 10.0
MAX_GAP: Final = 125
_SITE: Final = {"response_timeout_ms": "response_timeout_s"}
_LOOKED_AT: Final = frozenset(
    {
        "name",
        "id",
        "protocol",
        "channels",
        "parameters",
        "groups",
        "setup",
        "translations",
        "subdevices",
        "max_reg_hole",
        "max_read_registers",
    }
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a template."""

    name: str
    text: str
    """The profile, as TOML."""
    points: int
    remarks: Sequence[Remark]


@dataclass(slots=True)
class _Work:
    words: Translations
    remarks: list[Remark] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)  # Any: what TOML holds
    built: list[MappedPoint] = field(default_factory=list)

    def add(self, made: Converted, name: str, group: str | None) -> None:
        """Take a point, unless a profile cannot have it beside the others."""
        taken = {each.point.name for each in self.built}
        own = name
        number = 2
        while own in taken:
            own, number = f"{name}_{number}", number + 1
        options = {"name": own, **made.options}
        if group is not None:
            options["group"] = group
        try:
            built = point_of(options).build()
        except ValueError as error:
            raise LeftOutError(key="refused", reason=str(error)) from error
        for other in self.built:
            if clash(built.field, other.field):
                raise LeftOutError(key="overlaps", other=other.point.name)
        if own != name:
            made.remark("renamed", name=own)
        self.built.append(built)
        self.points.append(options)
        self.remarks += made.remarks


def import_template(text: str, file: str, name: str | None = None) -> Imported:
    """Return the profile that a template becomes.

    Args:
        text: of the template: JSON, comments are taken.
        file: what it is called.
        name: of the profile; None: from the type of the device.

    Raises:
        TemplateError: no profile can be made of it.
    """
    raw = loads(text)
    if not isinstance(raw, dict) or not isinstance(raw.get("device"), dict):
        raise TemplateError(key="no-template", missing="device")
    if not isinstance(raw.get("device_type"), str) or not raw["device_type"].strip():
        raise TemplateError(key="no-template", missing="device_type")
    device: dict[str, Any] = raw["device"]
    protocol = device.get("protocol", "modbus")
    if protocol != "modbus":
        raise TemplateError(key="protocol", protocol=protocol)
    work = _Work(_translations(device))
    for part, called, each in _parts(device):
        _carry(work, part, called, each)
    if not work.points:
        raise TemplateError(key="nothing")
    work.remarks += _rest(raw, device, work.words)
    own = name or profile_name(raw["device_type"])
    written = _write(own, raw, device, work, file, text)
    parse_profile(written, Path(f"{own}.toml"))
    return Imported(own, written, len(work.points), work.remarks)


def _parts(device: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:  # Any: JSON
    """Yield channels and parameters: which of the two, what it is called, what it is."""
    channels = device.get("channels")
    for place, each in enumerate(channels if isinstance(channels, list) else [], start=1):
        yield "channel", _called(each, place), each
    parameters = device.get("parameters")
    if isinstance(parameters, dict):
        for key, each in parameters.items():
            both = {"id": key, **each} if isinstance(each, dict) else each
            yield "parameter", str(key), both
    else:
        found = parameters if isinstance(parameters, list) else []
        for place, each in enumerate(found, start=1):
            yield "parameter", _called(each, place), each


def _called(each: object, place: int) -> str:
    if isinstance(each, dict):
        return str(each.get("name") or each.get("id") or each.get("title") or place)
    return str(place)


def _carry(work: _Work, part: str, called: str, raw: object) -> None:
    try:
        if not isinstance(raw, dict):
            raise LeftOutError(key="not-an-object")  # noqa: TRY301 - all that is left out goes one way
        made = convert(raw, work.words, part, called)
        name = str(raw.get("id") or raw.get("name") or raw.get("title") or "point")
        work.add(made, slug(name), SETTINGS if part == "parameter" else None)
    except LeftOutError as error:
        work.remarks.append(Remark(part, called, error.key, error.args_of, left_out=True))


def _translations(device: Mapping[str, Any]) -> Translations:  # Any: JSON
    found = device.get("translations")
    tables = found if isinstance(found, dict) else {}

    def table(lang: str) -> dict[str, str]:
        texts = tables.get(lang)
        pairs = texts.items() if isinstance(texts, dict) else ()
        return {key: text for key, text in pairs if isinstance(text, str)}

    return Translations(table("ru"), table("en"))


def _rest(
    raw: Mapping[str, Any], device: Mapping[str, Any], words: Translations
) -> Iterator[Remark]:
    """Yield what no channel and no parameter says, and a profile has no place for."""
    for option in sorted(set(raw) - {"device_type", "title", "device", "hw"}):
        yield Remark("template", "", "option", {"option": option, "found": raw[option]})
    hardware = raw.get("hw")
    if isinstance(hardware, list):
        names = ", ".join(
            str(each.get("signature", each)) if isinstance(each, dict) else str(each)
            for each in hardware
        )
        yield Remark("template", "", "hardware", {"names": names})
    yield from _device_rest(device)
    setup = device.get("setup")
    for place, each in enumerate(setup if isinstance(setup, list) else [], start=1):
        item = each if isinstance(each, dict) else {}
        args = {"value": item.get("value"), "address": item.get("address")}
        yield Remark("setup", str(item.get("title", place)), "writes", args, left_out=True)
    subdevices = device.get("subdevices")
    for place, each in enumerate(subdevices if isinstance(subdevices, list) else [], start=1):
        kind = each.get("device_type", place) if isinstance(each, dict) else place
        args = {"option": kind}
        yield Remark("subdevice", str(kind), "inner-device", args, left_out=True)
    groups = _group_names(device)
    if groups:
        yield Remark("groups", "", "group-names", {"names": ", ".join(groups)})
    yield from _untold(raw, device, words)


def _device_rest(device: Mapping[str, Any]) -> Iterator[Remark]:  # Any: JSON
    for option in sorted(set(device) - _LOOKED_AT):
        found = device[option]
        if option in _SITE and isinstance(found, (int, float)):
            args = {"option": option, "found": found, "ours": f"{_SITE[option]} = {found / 1000:g}"}
            yield Remark("device", "", "site-option", args)
        else:
            yield Remark("device", "", "option", {"option": option, "found": found})
    for option in ("max_reg_hole", "max_read_registers"):
        if option in device and _limit(device, option) is None:
            yield Remark("device", "", "option", {"option": option, "found": device[option]})


def _group_names(device: Mapping[str, Any]) -> list[str]:  # Any: JSON
    groups = device.get("groups")
    names = [
        str(each.get("title") or each.get("id"))
        for each in (groups if isinstance(groups, list) else [])
        if isinstance(each, dict)
    ]
    known = {
        each.get("id")
        for each in (groups if isinstance(groups, list) else [])
        if isinstance(each, dict)
    }
    for _, _, each in _parts(device):
        group = each.get("group") if isinstance(each, dict) else None
        if group is not None and group not in known and str(group) not in names:
            names.append(str(group))
    return names


def _untold(
    raw: Mapping[str, Any], device: Mapping[str, Any], words: Translations
) -> Iterator[Remark]:
    """Yield which translations the profile has not."""
    found = device.get("translations")
    others = sorted(set(found if isinstance(found, dict) else {}) - {"ru", "en"})
    if others:
        yield Remark("translations", "", "languages", {"names": ", ".join(others)})
    used = {"title", "name", "description"}
    told = {str(device.get("name")), str(raw.get("title"))}
    for _, _, each in _parts(device):
        if isinstance(each, dict):
            told |= {str(each[option]) for option in used if option in each}
            titles = each.get("enum_titles")
            told |= {str(title) for title in (titles if isinstance(titles, list) else [])}
    left = {*words.ru, *words.en} - told
    if left:
        yield Remark("translations", "", "titles", {"count": len(left)})


def _limit(device: Mapping[str, Any], option: str) -> int | None:  # Any: JSON
    """Return a limit of reading that a profile can have, or None."""
    found = device.get(option)
    lowest = 0 if option == "max_reg_hole" else 1
    if isinstance(found, int) and not isinstance(found, bool) and lowest <= found <= MAX_GAP:
        return found
    return None


# Writing


def _write(
    name: str,
    raw: Mapping[str, Any],
    device: Mapping[str, Any],
    work: _Work,
    file: str,
    text: str,
) -> str:
    title = work.words.of(str(raw.get("title") or device.get("name") or raw["device_type"]))
    words = HeadWords(
        name,
        title["ru"].strip() or name,
        title["en"].strip() or name,
        document=f"Wiren Board template {Path(file).name}",
        edition=f"device type {raw['device_type'].strip()}, "
        f"SHA-256 {hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}",
        where="imported by mayak import wb-template; not compared with a document of the maker",
        models=[raw["device_type"].strip()],
    )
    limits = [f"max_gap = {_limit(device, 'max_reg_hole') or 0}"]
    registers = _limit(device, "max_read_registers")
    if registers is not None:
        limits.insert(0, f"max_registers = {registers}")
    groups = [f"default = {toml(DEFAULT_S)}"]
    if any(point.get("group") == SETTINGS for point in work.points):
        groups.append(f"{SETTINGS} = {toml(SETTINGS_S)}")
    parts = [
        comment(
            "Imported from a Wiren Board template. What could not be carried over was listed then."
        ),
        head(words, "modbus"),
        "\n".join(["[limits]", *limits, ""]),
        "\n".join(["[groups]", *groups, ""]),
        *map(_point, work.points),
    ]
    return "\n".join(parts)


def _point(options: Mapping[str, Any]) -> str:  # Any: what TOML holds
    lines = [f"{key_of(key)} = {_option(key, value)}" for key, value in options.items()]
    return "\n".join(["[[point]]", *lines, ""])


def _option(key: str, value: Any) -> str:  # Any: what TOML holds
    if key == "states":
        pairs = (f"{key_of(number)} = {toml(state)}" for number, state in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if key == "sentinel":
        return f"[{', '.join(map(hex, value))}]"
    return hex(value) if key == "mask" else toml(value)
