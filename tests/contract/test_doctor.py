"""Everything that goes wrong on a serial line is named, each provoked by a twin."""

from __future__ import annotations

import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.config.loading import read as read_site
from gateway.diagnosis.evidence import Finding
from gateway.diagnosis.examine import examine
from gateway.diagnosis.judge import judge
from gateway.messages.catalogue import next_action, text
from gateway.plugins.assembling import assemble
from provisioning.authority import Authority
from simulators.faults import Crc, Echo, Fault, Flood, Liar, Noise, Refuse, Short, Silent, Slow
from simulators.lines.kinds import RunningSerial
from simulators.programs.site_file import device, head, line
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.running_agent import cabinet

ALL = {"light": ("light", 2), "door": ("door", 4), "relay": ("relay-4", 6)}
GATEWAY = "nvr-lenina-12"


@dataclass(frozen=True)
class Case:
    """What is wrong, and what must be said of it: keys with devices, in any order."""

    faults: Mapping[str, Fault] = field(default_factory=dict)
    twins: Mapping[str, tuple[str, int]] = field(default_factory=lambda: dict(ALL))
    says: tuple[tuple[str, str | None], ...] = (("doctor-well", None),)
    of_line: str = ""
    of_twin: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[Running], None] = lambda _running: None


def _everybody(fault: Fault) -> dict[str, Fault]:
    return dict.fromkeys(ALL, fault)


CASES = {
    "all is well": Case(),
    "no device answers": Case(_everybody(Silent()), says=(("doctor-silent-line", None),)),
    "one device does not answer": Case(
        {"door": Silent()}, says=(("doctor-silent-device", "door"),)
    ),
    "A and B are swapped": Case(of_line='wiring = "swapped"', says=(("doctor-swapped", None),)),
    "no bias": Case(of_line='wiring = "floating"', says=(("doctor-bias", None),)),
    "the line has another speed": Case(
        of_twin=dict.fromkeys(ALL, "baud_rate = 19200"), says=(("doctor-settings", None),)
    ),
    "one device has another speed": Case(
        of_twin={"relay": "baud_rate = 19200"}, says=(("doctor-device-settings", "relay"),)
    ),
    "the line has another parity": Case(
        of_twin=dict.fromkeys(ALL, 'parity = "even"'), says=(("doctor-settings", None),)
    ),
    "one device has another parity": Case(
        of_twin={"door": 'parity = "odd"'}, says=(("doctor-device-settings", "door"),)
    ),
    "two devices with one address": Case(
        twins={**ALL, "spare": ("light", 4)}, says=(("doctor-collision", "door"),)
    ),
    "the adapter hears itself": Case(_everybody(Echo()), says=(("doctor-echo", None),)),
    "one device is slow": Case({"light": Slow(delay_s=0.4)}, says=(("doctor-slow", "light"),)),
    "one device answers when nobody waits": Case(
        {"light": Slow(delay_s=1.2)}, says=(("doctor-slow", "light"),)
    ),
    "one device has a bad connection": Case(
        {"relay": Crc(probability=0.35, seed=4)}, says=(("doctor-losses", "relay"),)
    ),
    "one device is broken": Case({"light": Refuse(code=4)}, says=(("doctor-fault", "light"),)),
    "one device refuses everything": Case(
        {"light": Refuse(code=2)}, says=(("doctor-refuses", "light"),)
    ),
    "another model is there": Case(
        twins={**ALL, "relay": ("meter-3p", 6)}, says=(("doctor-profile", "relay"),)
    ),
    "its values cannot be": Case(
        {"light": Liar(how="values")}, says=(("doctor-implausible", "light"),)
    ),
    "somebody talks without being asked": Case(
        {"door": Flood(every_s=0.3, size=24)}, says=(("doctor-chatter", None),)
    ),
    "one device is disturbed": Case({"relay": Short()}, says=(("doctor-device-noise", "relay"),)),
    "everything is disturbed": Case(
        _everybody(Noise(stray=0, flips=3)),
        says=(("doctor-noise", None),),
    ),
    "the adapter is not there": Case(
        after=lambda running: running.unplug("bus"), says=(("doctor-port", None),)
    ),
}


@pytest.fixture
def parities(monkeypatch: pytest.MonkeyPatch) -> list[RunningSerial]:
    """Let ptys have parity, which the kernel does not: the hub is told what a program set."""
    lines: list[RunningSerial] = []
    set_plainly, get_plainly = termios.tcsetattr, termios.tcgetattr
    flags_of: dict[int, int] = {}

    def set_attributes(fd: int, when: int, attributes: list[Any]) -> None:  # Any: as termios has it
        flags = attributes[2]
        parity = "none"
        if flags & termios.PARENB:
            parity = "odd" if flags & termios.PARODD else "even"
        for each in lines:
            each.pty.parity = parity
        flags_of[fd] = flags & (termios.PARENB | termios.PARODD)
        bare = list(attributes)
        bare[2] = flags & ~(termios.PARENB | termios.PARODD)
        set_plainly(fd, when, bare)

    def get_attributes(fd: int) -> list[Any]:  # Any: as termios has it
        attributes = get_plainly(fd)
        attributes[2] |= flags_of.get(fd, 0)
        return attributes

    monkeypatch.setattr(termios, "tcsetattr", set_attributes)
    monkeypatch.setattr(termios, "tcgetattr", get_attributes)
    return lines


def site_text(case: Case, running: Running, authority: Authority) -> str:
    bus = running.lines["bus"].address
    at = {"path": bus.path, "baud_rate": 9600, "parity": "none", "stop_bits": 1}
    return (
        head(GATEWAY, 1883, max_mib=16).replace("keys/", f"{authority.folder}/")
        + line("bus", at)
        + "".join(
            device(name, "bus", case.profiles.get(name, f"demo-{kind}"), unit)
            for name, (kind, unit) in ALL.items()
        )
    )


def scene_text(case: Case) -> str:
    return f'[[line]]\nid = "bus"\nmedium = "serial"\n{case.of_line}\n' + "".join(
        f'[[twin]]\nid = "{name}"\nline = "bus"\nkind = "{kind}"\nunit = {unit}\n'
        f"{case.of_twin.get(name, '')}\n"
        for name, (kind, unit) in case.twins.items()
    )


async def diagnosed(case: Case, folder: Path, authority: Authority, lines: Any) -> list[Finding]:
    async with run_scene(parse_scene(scene_text(case), "test")) as running:
        laid = running.lines["bus"]
        assert isinstance(laid, RunningSerial)
        lines.append(laid)
        site = folder / "site.toml"
        site.write_text(site_text(case, running, authority), encoding="utf-8")
        assembly = assemble(read_site(site))
        for name, fault in case.faults.items():
            running.apply(name, fault)
        case.after(running)
        (spec,) = assembly.lines
        evidence = await examine(spec, assembly.devices, lambda _what, _share: None)
    return judge(evidence)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_the_doctor_names_what_is_wrong(
    case: Case, tmp_path: Path, authority: Authority, parities: list[RunningSerial]
) -> None:
    findings = await diagnosed(case, tmp_path, authority, parities)
    told = [(each.key, None if each.device is None else str(each.device)) for each in findings]
    assert sorted(told, key=str) == sorted(case.says, key=str), findings
    for finding in findings:
        for lang in ("ru", "en"):
            assert text(finding.key, lang, **finding.args)
            assert bool(next_action(finding.key, lang, **finding.args)) is finding.wrong


async def test_the_right_settings_are_said(
    tmp_path: Path, authority: Authority, parities: list[RunningSerial]
) -> None:
    case = CASES["the line has another parity"]
    (finding,) = await diagnosed(case, tmp_path, authority, parities)
    assert (finding.args["now"], finding.args["right"]) == ("9600 8N1", "9600 8E1")


async def test_the_command_borrows_the_line_of_a_running_agent(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site, site.agent() as agent:
        await agent.until_reads()
        site.scene.apply("relay-1", Silent())
        code, out, err = await site.mayak("doctor", "bus", "--site", str(site.site), "--lang", "ru")
        assert code == 1, out + err
        assert "Прибор relay-1 не отвечает" in out
        assert "Проверьте его питание" in out
        site.scene.clear("relay-1")
        before = site.scene.twin("relay-1").counts.requests
        await agent.until(
            lambda: site.scene.twin("relay-1").counts.requests > before + 5, "polls again"
        )
        assert await agent.stop() == 0
