"""What was found, as a part of a site file. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.messages.catalogue import text
from gateway.messages.formatting import Language
from gateway.model.discovery import Found

SETTINGS: Final = ("baud_rate", "parity", "stop_bits", "byte_size")


def proposal(
    line: Mapping[str, Any],  # Any: values of options
    found: Sequence[Found],
    chosen: Mapping[int, str],
    lang: Language,
) -> str:
    """Return a line and its devices as TOML.

    The line takes over the settings that most of its devices have; a device with others keeps its
    own. A device that may be several models has them in comments: somebody has to say which.

    Args:
        line: `id`, `medium` and the options that say where it is.
        found: the devices.
        chosen: profiles that somebody chose, by place in `found`.
        lang: language of the comments.
    """
    common = _common(found)
    parts = [_table("line", {**line, **common})]
    for place, each in enumerate(found):
        options = {
            name: value
            for name, value in each.options.items()
            if name not in SETTINGS or common.get(name) != value
        }
        profile = chosen.get(place) or (each.best[0].profile if len(each.best) == 1 else None)
        head = {"id": name_of(each, profile), "line": line["id"], "driver": each.driver}
        comments = list(_comments(each, profile, lang))
        known = {} if profile is None else {"profile": profile}
        parts.append("".join(comments) + _table("device", {**head, **known, **options}))
    return "\n".join(parts)


def name_of(found: Found, profile: str | None) -> str:
    """Return a name for a device: what it is, and where on the line."""
    what = profile or found.identity.get("product") or found.driver
    where = [
        str(value)
        for name, value in found.options.items()
        if name not in SETTINGS and isinstance(value, int | str)
    ]
    name = "-".join([what, *where[:1]]).lower()
    return re.sub(r"[^a-z0-9_.-]+", "-", name).strip("-.")[:63] or "device"


def _common(found: Sequence[Found]) -> dict[str, Any]:  # Any: values of options
    """Return the settings that most devices have."""
    settings = Counter(
        tuple((name, each.options[name]) for name in SETTINGS if name in each.options)
        for each in found
    )
    return dict(settings.most_common(1)[0][0]) if settings else {}


def _comments(found: Found, profile: str | None, lang: Language) -> Iterator[str]:
    said = ", ".join(found.identity.values())
    if said:
        yield f"# {said}\n"
    if found.remark:
        yield f"# {text(found.remark, lang)}\n"
    sure = next((each.sureness for each in found.matches if each.profile == profile), None)
    if sure is not None:
        yield f"# {text(f'scan-sure-{sure.name.lower()}', lang)}\n"
    elif found.best:
        names = ", ".join(each.profile for each in found.best)
        yield f"# {text('scan-ambiguous', lang, profiles=names)}\n"
    elif found.driver == "modbus":
        yield f"# {text('scan-no-profile', lang)}\n"


def _table(name: str, options: Mapping[str, Any]) -> str:  # Any: values of options
    rows = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in options.items())
    return f"[[{name}]]\n{''.join(rows)}"
