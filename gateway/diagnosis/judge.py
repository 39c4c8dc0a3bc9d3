"""From what was seen to what is wrong: pure.

The whole line is looked at first: what all devices have in common is a matter of the line. What is
said of one device only holds when another one on its line is well, or when there is proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.diagnosis.evidence import End, Evidence, Examined, Finding
from gateway.model.discovery import Sureness

SLOW_SHARE: Final = 0.6
"""Of the time-out: an answer that begins later is a slow one."""
BREAKS: Final = frozenset(b"\x00")
DRIFT: Final = frozenset(b"\x00\xfe\xff")
"""What a pair that nobody drives looks like: long breaks, and marks with a bit fallen over."""
DOUBTFUL: Final = 3
"""When one value in so many cannot be, it is hardly the right profile."""
CHATTER: Final = 8
"""So many other bytes while nobody asks: somebody talks."""
_HEX: Final = 24


def judge(evidence: Evidence) -> list[Finding]:
    """Return what is wrong, the weightiest first; one finding that all is well when nothing is."""
    if evidence.unavailable:
        return [
            Finding(
                "doctor-port", {"line": evidence.line, "reason": evidence.unavailable.rstrip(".")}
            )
        ]
    found = list(_line(evidence))
    if not any(finding.key in _WHOLE for finding in found):
        well = any(device.there for device in evidence.devices)
        for device in evidence.devices:
            found += _device(device, evidence, others_well=well)
    if not found:
        count = len(evidence.devices)
        return [Finding("doctor-well", {"line": evidence.line, "count": count}, wrong=False)]
    return found


_WHOLE: Final = frozenset(
    {
        "doctor-silent-line",
        "doctor-swapped",
        "doctor-echo",
        "doctor-settings",
        "doctor-noise",
        "doctor-bias",
        "doctor-chatter",
    }
)
"""Findings after which nothing needs to be said of single devices."""


def _line(evidence: Evidence) -> Iterator[Finding]:
    devices = evidence.devices
    args = {"line": str(evidence.line), "port": evidence.port}
    if _echoes(devices):
        yield Finding("doctor-echo", args)
        return
    others = [device.elsewhere for device in devices]
    if devices and all(others):
        settings = {_settings(found.options) for found in others if found is not None}
        if len(settings) == 1:
            now = _settings(evidence.settings)
            yield Finding("doctor-settings", {**args, "now": now, "right": settings.pop()})
            return
    if devices and not any(each.there or each.elsewhere or each.late for each in devices):
        yield from _nobody_answers(evidence, args)
    elif _drifts(evidence):
        yield Finding("doctor-bias", args)
    elif len(evidence.idle) >= CHATTER:
        yield Finding("doctor-chatter", {**args, "bytes": _shown(evidence.idle)})


def _nobody_answers(evidence: Evidence, args: Mapping[str, str]) -> Iterator[Finding]:
    devices = evidence.devices
    heard = b"".join(ask.heard for device in devices for ask in device.asks)
    if not heard and not evidence.idle:
        yield Finding("doctor-silent-line", args)
    elif not set(heard + evidence.idle) - BREAKS:
        yield Finding("doctor-swapped", args)
    elif _drifts(evidence):
        yield Finding("doctor-bias", args)
    elif len(devices) > 1 or not _one_voice(devices):
        yield Finding("doctor-noise", {**args, "bytes": _shown(heard or evidence.idle)})


def _echoes(devices: Sequence[Examined]) -> bool:
    asks = [ask for device in devices for ask in device.asks if ask.sent and ask.heard]
    return bool(asks) and all(
        ask.end is End.GARBLED and ask.heard.startswith(ask.sent[:4]) for ask in asks
    )


def _drifts(evidence: Evidence) -> bool:
    """Say whether strays of an undriven pair come before answers, or while nobody asks."""
    asks = [ask for device in evidence.devices for ask in device.asks if ask.heard]
    led = sum(ask.end is End.GARBLED and ask.heard[0] in DRIFT for ask in asks)
    return led * 2 > len(asks) > 0 and any(_unit_behind(ask.sent, ask.heard) for ask in asks)


def _unit_behind(sent: bytes, heard: bytes) -> bool:
    """Say whether strays, and then an answer that begins as the question did, were heard."""
    rest = heard.lstrip(bytes(DRIFT))
    return bool(sent) and len(rest) < len(heard) and rest[:2] == sent[:2]


def _one_voice(devices: Sequence[Examined]) -> bool:
    """Say whether what is heard begins as an answer would: somebody speaks our language."""
    asks = [ask for device in devices for ask in device.asks if ask.sent and ask.heard]
    return any(ask.heard[:1] == ask.sent[:1] for ask in asks)


Args = dict[str, str | int | float]


def _device(device: Examined, evidence: Evidence, *, others_well: bool) -> Iterator[Finding]:
    args: Args = {"line": str(evidence.line), "device": str(device.id)}
    if device.elsewhere is not None:
        right, now = _settings(device.elsewhere.options), _settings(evidence.settings)
        yield Finding("doctor-device-settings", {**args, "now": now, "right": right}, device.id)
        return
    yield from _contents(device, args)
    if device.late or _slow(device):
        delays = [ask.delay_s for ask in device.asks if ask.delay_s is not None]
        timing: Args = {"delay_s": round(max(delays), 3), "timeout_s": device.timeout_s or 0.0}
        yield Finding("doctor-slow", {**args, **timing}, device.id)
        return
    yield from _answers(device, args, others_well=others_well)


def _contents(device: Examined, args: Args) -> Iterator[Finding]:
    """Tell what is wrong with what the device says."""
    mine = {**args, "profile": device.profile or ""}
    other = _other_model(device)
    faults = [ask for ask in device.asks if ask.end is End.FAULT]
    if other is not None:
        yield Finding("doctor-profile", {**mine, "other": other}, device.id)
    elif faults:
        yield Finding("doctor-fault", {**args, "reason": faults[0].words}, device.id)
    elif device.there and device.count(End.REFUSED) == len(device.asks):
        yield Finding("doctor-refuses", mine, device.id)
    elif any(ask.values and ask.doubtful * DOUBTFUL >= ask.values for ask in device.asks):
        doubtful = max(ask.doubtful for ask in device.asks)
        yield Finding("doctor-implausible", {**mine, "count": doubtful}, device.id)


def _answers(device: Examined, args: Args, *, others_well: bool) -> Iterator[Finding]:
    """Tell whether answers come, and come whole."""
    garbled, silent = device.count(End.GARBLED), device.count(End.SILENT)
    asked = len(device.asks)
    if garbled and not device.there:
        key = "doctor-collision" if _collides(device) else "doctor-device-noise"
        shown = next(ask.heard for ask in device.asks if ask.end is End.GARBLED)
        share: Args = {"garbled": garbled, "asked": asked, "bytes": _shown(shown)}
        yield Finding(key, {**args, **share}, device.id)
    elif asked and not device.there:
        if others_well:
            yield Finding("doctor-silent-device", args, device.id)
    elif silent or garbled:
        lost: Args = {"lost": silent + garbled, "asked": asked}
        yield Finding("doctor-losses", {**args, **lost}, device.id)


def _other_model(device: Examined) -> str | None:
    """Return the profile that the device certainly is, when that is not its own."""
    found = device.identified
    if found is None or device.profile is None or not found.best:
        return None
    names = [match.profile for match in found.best]
    sure = found.best[0].sureness >= Sureness.LIKELY
    return names[0] if sure and device.profile not in names else None


def _collides(device: Examined) -> bool:
    """Say whether several seem to answer at once: what comes is damaged in another way each time.

    It is as long as an answer, and begins as one now and then.
    """
    heard = [ask.heard for ask in device.asks if ask.end is End.GARBLED]
    lengths = {len(each) for each in heard}
    return (
        len(set(heard)) == len(heard) > 1 and max(lengths) - min(lengths) <= 2 + max(lengths) // 2
    )


def _slow(device: Examined) -> bool:
    if device.timeout_s is None:
        return False
    delays = [ask.delay_s for ask in device.asks if ask.delay_s is not None]
    return any(delay >= SLOW_SHARE * device.timeout_s for delay in delays)


def _settings(options: object) -> str:
    """Return settings of a line as people write them: `9600 8N1`."""
    if not isinstance(options, dict):
        return ""
    speed = options.get("baud_rate", 9600)
    parity = str(options.get("parity") or "none")[0].upper()
    return f"{speed} {options.get('byte_size') or 8}{parity}{options.get('stop_bits') or 1}"


def _shown(data: bytes) -> str:
    return data[:_HEX].hex(" ") + (" .." if len(data) > _HEX else "")
