"""Looks for meters on a line, for `mayak scan`: by wildcards, at each speed of M-Bus.

Links are reset and meters selected, nothing else is sent to them. A meter that answers at several
speeds is found once, at the first of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from drivers.mbus.address import FIRST_PRIMARY, SecondaryAddress
from drivers.mbus.readout import Asking
from drivers.mbus.search import Step, WildcardSearch, search
from drivers.mbus.telegram import Header
from drivers.media.characters import Characters
from drivers.media.framing import ByteLine
from gateway.model.discovery import Found, Looked, Scope, State
from gateway.model.errors import BusUnavailableError

USUAL: Final = tuple({"baud_rate": speed, "parity": "even"} for speed in (2400, 9600, 300))
"""8E1 is M-Bus's own; 2400 Bd is usual, 300 Bd every meter has (EN 13757-2)."""
_BEGIN_BITS: Final = 330
_BEGIN_S: Final = 0.1
"""Beside the 330 bit times: 50 ms of the meter, and as much for the line."""
_PARITIES: Final = {"none": "N", "even": "E", "odd": "O"}


async def discover(line: ByteLine, scope: Scope, state: State) -> AsyncIterator[Looked]:
    """Look for meters at each setting; see `gateway.model.discovery.Discover`.

    Raises:
        BusUnavailableError: the line is gone.
    """
    settings = scope.characters or (({},) if line.medium == "tcp" else USUAL)
    seen: list[str] = [str(each) for each in state.get("seen", [])]
    for place, setting in enumerate(settings):
        if place < int(state.get("setting", 0)):
            continue
        within = _search_of(state) if place == int(state.get("setting", 0)) else WildcardSearch()
        try:
            async for step in search(_asking(line, scope, setting), within):
                yield _looked(step, within, setting, (place, len(settings)), seen)
        except BusUnavailableError:
            await line.open()  # still there: only this setting is not to be had
            after = {"setting": place + 1, "seen": list(seen)}
            share = (place + 1) / len(settings)
            yield Looked(_words(setting), share, after, trouble="scan-setting")


def _asking(line: ByteLine, scope: Scope, setting: Mapping[str, Any]) -> Asking:
    begins_s = _BEGIN_BITS / int(setting.get("baud_rate", 2400)) + _BEGIN_S
    characters = Characters(**setting).characters
    return Asking(line, max(scope.timeout_s, begins_s), characters, ready=scope.ready)


def _search_of(state: State) -> WildcardSearch:
    """Return a search as it was broken off; a new one when that is not to be read."""
    todo, alike, through = (state.get(name) for name in ("todo", "alike", "through"))
    if not isinstance(todo, list) or not isinstance(alike, list) or not isinstance(through, int):
        return WildcardSearch()
    return WildcardSearch("", list(map(str, todo)), list(map(str, alike)), through)


def _looked(
    step: Step,
    within: WildcardSearch,
    setting: Mapping[str, Any],  # Any: values of options
    place: tuple[int, int],
    seen: list[str],
) -> Looked:
    at, count = place
    several = bool(within.alike) and step.who.ident == within.alike[-1]
    found = None
    if step.found is not None and step.found.address.hex() not in seen:
        seen.append(step.found.address.hex())
        found = _found(step.found, step.primary, setting)
    done = within.next is None
    state: dict[str, Any] = {"setting": at + 1 if done else at, "seen": list(seen)}
    if not done:
        state |= {"todo": list(within.todo), "alike": list(within.alike)}
        state["through"] = within.looked_through
    words = ", ".join(part for part in (_words(setting), step.who.ident) if part)
    share = (at + step.share) / count
    return Looked(words, share, state, found, "scan-garbled" if several else "")


def _found(header: Header, primary: int | None, setting: Mapping[str, Any]) -> Found:
    who = SecondaryAddress(header.ident)
    options: dict[str, Any] = {"secondary": who.ident}
    if header.manufacturer.isalpha() and len(header.manufacturer) == 3:  # noqa: PLR2004  letters
        options |= {
            "manufacturer": header.manufacturer,
            "version": header.version,
            "device_type": header.device_type,
        }
    identity = {"maker": header.manufacturer, "serial_number": header.ident}
    if primary is not None and primary > FIRST_PRIMARY:
        identity["address"] = str(primary)
    return Found("mbus", options | dict(setting), identity)


def _words(setting: Mapping[str, Any]) -> str:
    if not setting:
        return ""
    parity = _PARITIES[setting.get("parity", "none")]
    return f"{setting.get('baud_rate', '')} 8{parity}{setting.get('stop_bits', 1)}".strip()
