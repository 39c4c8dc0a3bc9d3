"""Scenes: what holds together loads, what does not is refused with its line."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import Slow
from simulators.lines.kinds import SerialSpec
from simulators.load import as_toml, load_scene_of
from simulators.modbus.bank import BankOptions
from simulators.modbus.kinds import TcpSpec
from simulators.scene import SceneError, load_scene, packaged, parse_scene

GOOD = """\
[[line]]
id = "net"
medium = "tcp"

[[line]]
id = "bus"
medium = "serial"
parity = "even"

[[twin]]
id = "meter"
line = "net"
kind = "meter-3p"
relays = "relay"

[[twin]]
id = "relay"
line = "bus"
kind = "relay-4"
unit = 2

[[fault]]
twin = "meter"
fault = "slow"
delay_s = 2
at_s = 10
for_s = 5
"""


def test_scene_is_read() -> None:
    scene = parse_scene(GOOD, "good.toml")
    assert [type(line) for line in scene.line] == [TcpSpec, SerialSpec]
    assert isinstance(scene.line[1], SerialSpec)
    assert scene.line[1].bits_per_byte == 11
    (fault,) = scene.fault
    assert (fault.twin, fault.fault, fault.at_s, fault.for_s) == ("meter", Slow(delay_s=2), 10, 5)
    assert scene.medium_of("relay") == "serial"


MISTAKES = {
    "no TOML": ("= 3", ":1", "at line 1"),
    "unknown option of a twin": (GOOD.replace('relays = "relay"', "colour = 1"), ":14", "colour"),
    "unknown option of a line": (GOOD.replace('parity = "even"', "speed = 1"), ":8", "speed"),
    "unknown table": ("[scene]\n" + GOOD, ":1", "scene: no such option"),
    "unknown kind": (GOOD.replace('"relay-4"', '"relay-9"'), ":16", "twin[1]"),
    "unit out of range": (GOOD.replace("unit = 2", "unit = 300"), ":20", "twin[1].unit: should be"),
    "missing line": (GOOD.replace('line = "bus"\n', ""), ":16", "twin[1].line: this option is"),
    "no such line": (GOOD.replace('line = "bus"', 'line = "bas"'), ":1", "there is no line bas"),
    "no such relay": (GOOD.replace('"relay"\n\n', '"door"\n\n'), ":1", "no relay-4 door"),
    "name twice": (GOOD.replace('id = "relay"', 'id = "meter"'), ":1", "the name meter stands 2"),
    "no such fault": (GOOD.replace('"slow"', '"lazy"'), ":22", "no fault 'lazy'"),
    "fault option": (GOOD.replace("delay_s = 2", "delay = 2"), ":22", "delay: no such option"),
    "fault of nobody": (GOOD.replace('twin = "meter"', 'twin = "x"'), ":1", "there is no twin x"),
    "fault of another medium": (
        GOOD.replace('"slow"\ndelay_s = 2', '"crc"'),
        ":1",
        "serial lines only",
    ),
    "unit twice on tcp": (
        GOOD.replace('line = "bus"', 'line = "net"').replace("unit = 2", "unit = 1"),
        ":1",
        "unit 1 of net is taken",
    ),
    "nothing": ("", ":1", "line: this option is needed"),
}


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES.values(), ids=MISTAKES)
def test_scene_with_a_mistake_is_refused_with_its_line(text: str, line: str, says: str) -> None:
    with pytest.raises(SceneError) as refused:
        parse_scene(text, "s.toml")
    assert any(
        says in mistake
        and (mistake.startswith(f"s.toml{line}: ") or line in mistake or line == ":1")
        for mistake in refused.value.mistakes
    ), refused.value.mistakes


def test_scene_tells_all_mistakes_at_once() -> None:
    text = GOOD.replace("unit = 2", "unit = 300").replace('parity = "even"', "speed = 1")
    with pytest.raises(SceneError) as refused:
        parse_scene(text, "s.toml")
    assert len(refused.value.mistakes) == 2


def test_scene_two_devices_with_one_address_are_allowed_on_a_serial_line() -> None:
    text = GOOD + '[[twin]]\nid = "other"\nline = "bus"\nkind = "door"\nunit = 2\n'
    assert len(parse_scene(text, "s.toml").twin) == 3


@given(st.text(max_size=200))
def test_scene_any_text_is_a_scene_or_a_scene_error(text: str) -> None:
    with suppress(SceneError):
        parse_scene(text, "any")


@pytest.mark.parametrize("name", packaged())
def test_scene_of_the_package_loads(name: str) -> None:
    scene = load_scene(name)
    assert scene.about.ru
    assert scene.about.en


def test_scene_lighting_has_a_meter_on_the_network_and_four_devices_on_one_line() -> None:
    scene = load_scene("lighting")
    placed = {twin.id: (twin.line, twin.kind, twin.place) for twin in scene.twin}
    assert placed == {
        "meter-1": ("meter-net", "meter-3p", 1),
        "meter-2": ("cabinet-485", "meter-3p", 1),
        "relay-1": ("cabinet-485", "relay-4", 2),
        "light-1": ("cabinet-485", "light", 3),
        "door-1": ("cabinet-485", "door", 4),
    }


def test_scene_is_loaded_from_a_path_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    assert load_scene(str(file)) == parse_scene(GOOD, "x")
    with pytest.raises(SceneError, match=r"scenes: .*lighting"):
        load_scene(str(tmp_path / "none.toml"))


def test_load_scene_behind_one_port_or_many() -> None:
    together = load_scene_of(20, 50)
    assert [(twin.line, twin.place) for twin in together.twin] == [
        ("banks", unit) for unit in range(1, 21)
    ]
    apart = load_scene_of(3, 10, separate=True)
    assert len(apart.line) == 3
    assert all(isinstance(twin, BankOptions) and twin.registers == 10 for twin in apart.twin)
    with pytest.raises(ValueError, match=re.escape("248 devices behind one port")):
        load_scene_of(248, 1)


@pytest.mark.parametrize("separate", [False, True])
def test_load_scene_survives_its_own_toml(separate: bool) -> None:
    scene = load_scene_of(4, 7, separate=separate, refresh_s=0.5, seed=3)
    assert parse_scene(as_toml(scene), "load") == scene
