"""Drivers and media are loaded when a site names them; their options are checked with lines."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.loading import parse
from gateway.model.driver import Manifest, Medium, MediumManifest, PolledDriver, PollGroup
from gateway.model.errors import ConfigError, Mistake
from gateway.model.ids import LineId, PointId
from gateway.model.options import Checked, Limits, Options
from gateway.model.reading import Point, PointTable, Sample
from gateway.plugins.assembling import assemble, assemble_file, not_there
from gateway.plugins.assembly import Assembly
from gateway.plugins.finding import Catalogue

FILE = Path("site.toml")
HEAD = """\
gateway.id = "g"
keys = { device_key = "k", device_certificate = "c" }
consumer = [{ id = "city", audiences = ["operations"], hpke_keys = ["h"], sign_keys = ["s"] }]
uplink = { consumer = "city", host = "localhost", tls = false }
"""
FIRST = HEAD.count("\n") + 1
"""The line after the head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireConfig(Options):
    """Options of a medium that is nothing but a name."""

    port: Annotated[str, Limits(min_length=1)]
    speed: Literal[1200, 9600] = 9600


def _find(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    assert site_dir is not None
    if profile == "broken":
        raise _BrokenProfileError(site_dir / "profiles/broken.toml")


def _never_given(_value: Path, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    msg = "this is not an option"
    raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LampConfig(Options):
    """Options of a driver with all that can go wrong in one."""

    unit: Annotated[int, Limits(ge=1, le=247)] = 1
    profile: Annotated[str, Checked(_find)] = "plain"
    period_s: Annotated[float, Limits(gt=0)] | None = None
    mode: int | Literal["auto"] = "auto"
    periods: dict[str, float] = field(default_factory=dict)
    site_dir: Annotated[Path, Checked(_never_given)] | None = None

    def __post_init__(self) -> None:
        """Refuse what only all options together show."""
        if self.profile == "unknown":
            msg = f"there is no profile {self.profile!r}"
            raise ValueError(msg)
        if "moon" in self.periods:
            msg = "periods: moon is neither a group nor a point"
            raise ValueError(msg)
        if self.profile == "refused":
            raise ConfigError([Mistake(Path("p.toml"), 3, "point", "Two points overlap.")])


class _BrokenProfileError(ValueError):
    def __init__(self, file: Path) -> None:
        self.mistakes = [
            Mistake(file, 7, "point", "Two points overlap."),
            Mistake(file, 2, "", "x"),
        ]
        super().__init__("the profile is broken")


@dataclass
class Wire:
    """A medium of one name."""

    id: LineId
    config: WireConfig
    exchanges: int = 0
    errors: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    busy_s: float = 0.0

    @property
    def statistics(self) -> Wire:
        return self

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Nothing is to be closed."""


class Lamp:
    """A driver with two points."""

    def __init__(self, config: LampConfig, line: Medium) -> None:
        del config, line
        table = PointTable(Point(PointId("power"), unit="W"), Point(PointId("dimming"), unit="%"))
        self.groups: Sequence[PollGroup] = (PollGroup("fast", table, 1.0),)

    async def poll(self, group: PollGroup) -> Sample:
        return Sample((0.0,) * len(group.table))


def _address(config: LampConfig) -> Hashable:
    return (config.unit,)


def _lamp(name: str, media: Sequence[str]) -> Manifest:
    def build(config: Any, medium: Any) -> PolledDriver:
        return Lamp(config, medium)

    return Manifest(name, media, LampConfig, build, _address)


def _wire(name: str) -> MediumManifest:
    def probe(config: WireConfig) -> str | None:
        return f"there is no port {config.port}" if "away" in config.port else None

    return MediumManifest(name, WireConfig, Wire, lambda config: config.port, probe)


def _not_installed() -> object:
    message = "No module named 'lamp_radio'"  # as Python says it
    raise ImportError(message)


def _untouchable() -> object:
    pytest.fail("loaded although the site does not name it")


LAMP = _lamp("lamp", ["wire"])
WIRE = _wire("wire")
CATALOGUE = Catalogue(
    drivers={
        "lamp": lambda: LAMP,
        "radio-lamp": lambda: _lamp("radio-lamp", ["radio", "air"]),
        "missing-parts": _not_installed,
        "wrong-kind": lambda: 7,
        "camera": _untouchable,
    },
    media={"wire": lambda: WIRE, "radio": lambda: _wire("radio"), "gpio": _untouchable},
)


def _line(name: str = "one", port: str = "a", medium: str = "wire", more: str = "") -> str:
    return f'[[line]]\nid = "{name}"\nmedium = "{medium}"\nport = "{port}"\n{more}'


def _device(name: str = "d", line: str = "one", driver: str = "lamp", more: str = "") -> str:
    return f'[[device]]\nid = "{name}"\nline = "{line}"\ndriver = "{driver}"\n{more}'


def _assembled(*tables: str) -> Assembly:
    return assemble(parse((HEAD + "".join(tables)).encode(), FILE, "en"), CATALOGUE)


def _mistakes(*tables: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigError) as caught:
        _assembled(*tables)
    return [(each.line - FIRST, each.option, each.message) for each in caught.value.mistakes]


def _only(*tables: str) -> tuple[int, str, str]:
    (mistake,) = _mistakes(*tables)
    return mistake


def test_a_site_is_put_together_loading_only_what_it_names() -> None:
    assembly = _assembled(
        _line(), _device(more="unit = 3\nretries = 0\n"), _device("e", more="enabled = false\n")
    )
    (line,), (device,), (resting,) = assembly.lines, assembly.devices, assembly.resting
    assert (line.id, line.manifest.name) == ("one", "wire")
    assert line.config == WireConfig(port="a")
    assert (device.id, device.line, device.manifest) == ("d", "one", LAMP)
    assert device.config == device.prepared == LampConfig(unit=3)
    assert (device.retries, device.heartbeat_s) == (0, 60.0)
    assert resting.id == "e"
    assert assembly.count_points() == 2


def test_a_site_file_is_put_together_likewise(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(HEAD + _line() + _device(), encoding="utf-8")
    assert assemble_file(file, CATALOGUE, "en").lines == _assembled(_line()).lines
    file.write_text(HEAD + _device(), encoding="utf-8")
    with pytest.raises(ConfigError):
        assemble_file(file, CATALOGUE)


def test_a_driver_prepares_what_it_is_built_from_where_the_site_is_checked() -> None:
    def prepare(options: LampConfig, site_dir: Path | None) -> tuple[int, Path | None]:
        if options.unit == 13:
            msg = "unit 13 cannot be prepared"
            raise ValueError(msg)
        return options.unit, site_dir

    lamp = replace(LAMP, prepare=prepare)
    catalogue = replace(CATALOGUE, drivers={"lamp": lambda: lamp})
    draft = parse((HEAD + _line() + _device(more="unit = 3\n")).encode(), FILE, "en")
    (device,) = assemble(draft, catalogue).devices
    assert device.config == LampConfig(unit=3)
    assert device.prepared == (3, Path.cwd())
    draft = parse((HEAD + _line() + _device(more="unit = 13\n")).encode(), FILE, "en")
    with pytest.raises(ConfigError) as caught:
        assemble(draft, catalogue)
    (mistake,) = caught.value.mistakes
    assert (mistake.line - FIRST, mistake.option) == (8, "device.unit")
    assert mistake.message == "unit 13 cannot be prepared."


def test_mistakes_of_the_site_and_of_plugins_come_at_once_in_the_order_of_lines() -> None:
    mistakes = _mistakes(
        _line(more="sped = 1200\n"),
        _device(more='unit = 300\nretries = "x"\n'),
        _device("d", driver="lmap"),
        "[health]\nperiod_s = 0\n",
    )
    assert [(line, option) for line, option, _ in mistakes] == [
        (4, "line.sped"),
        (9, "device.unit"),
        (10, "device.retries"),
        (12, "device.id"),
        (14, "device.driver"),
        (16, "health.period_s"),
    ]
    said = [message for *_, message in mistakes]
    assert said[0].startswith("Unknown option `sped`; did you mean `speed`? Allowed: `port`,")
    assert "`medium`" in said[0]
    assert said[1] == "Found 300, allowed: a whole number from 1 to 247."
    assert 'did you mean "lamp"?' in said[4]


def test_a_broken_file_is_told_by_assemble_too() -> None:
    with pytest.raises(ConfigError) as caught:
        assemble(parse(b"= 1", FILE, "en"), CATALOGUE)
    assert [each.line for each in caught.value.mistakes] == [1]


def test_an_unknown_driver_or_medium_is_told_with_those_that_exist() -> None:
    line, option, message = _only(_line(medium="semaphore"))
    assert (line, option) == (2, "line.medium")
    assert message.endswith('allowed: "gpio", "radio", "wire".')
    line, option, message = _only(_line(), _device(driver="zigbee"))
    assert (line, option) == (7, "device.driver")
    assert '"lamp", "missing-parts", "radio-lamp"' in message


def test_a_driver_that_does_not_load_is_told_with_the_reason() -> None:
    assert "No module named 'lamp_radio'" in _only(_line(), _device(driver="missing-parts"))[2]
    assert "it is a int, not a Manifest" in _only(_line(), _device(driver="wrong-kind"))[2]


def test_a_driver_that_cannot_speak_over_the_line_is_told() -> None:
    line, option, message = _only(_line(), _device(driver="radio-lamp"))
    assert (line, option) == (6, "device.line")
    assert message == (
        'Found line "one" with medium "wire", but driver "radio-lamp" speaks only over: '
        "`radio`, `air`."
    )


def test_two_devices_of_one_address_on_a_line_are_told_with_both_lines() -> None:
    line, option, message = _only(
        _line(), _line("two", "b"), _device(more="unit = 5\n"), _device("e", more="unit = 5\n"),
        _device("f", "two", more="unit = 5\n"),
    )  # fmt: skip
    assert (line, option) == (17, "device.unit")
    assert f"(lines {FIRST + 12} and {FIRST + 17})" in message
    assert 'Devices "d" and "e" have one address on line "one": 5' in message


def test_an_address_by_default_is_told_at_the_table() -> None:
    assert _only(_line(), _device(), _device("e"))[:2] == (8, "device")


def test_a_device_that_is_not_enabled_takes_no_address() -> None:
    assert _assembled(_line(), _device(), _device("e", more="enabled = false\n")).devices


def test_two_lines_on_one_port_are_told_with_both_lines() -> None:
    line, option, message = _only(_line(), _line("two"))
    assert (line, option) == (7, "line.port")
    assert message.startswith('Lines "one" and "two" take one port: a (lines')


@pytest.mark.parametrize(
    ("more", "line", "option", "said"),
    [
        ('profile = "unknown"\n', 8, "device.profile", "there is no profile 'unknown'."),
        ("periods = { moon = 1.0 }\n", 8, "device.periods", "periods: moon is neither"),
        ("unit = 2\nmode = []\n", 9, "device.mode", "Found an empty list, allowed: a whole number"),
        ('site_dir = "x"\n', 8, "device.site_dir", 'Found "x": this is not an option.'),
        ("periods = { sun = 'x' }\n", 8, "device.periods.sun", "allowed: a number."),
    ],
)
def test_what_the_driver_refuses_is_told_in_its_words_at_the_option(
    more: str, line: int, option: str, said: str
) -> None:
    told = _only(_line(), _device(more=more))
    assert told[:2] == (line, option)
    assert said in told[2]


def test_mistakes_inside_a_profile_are_told_with_the_file_and_lines_of_the_profile() -> None:
    with pytest.raises(ConfigError) as caught:
        _assembled(_line(), _device(more='profile = "broken"\n'))
    file = Path.cwd() / "profiles/broken.toml"
    assert [(m.file, m.line) for m in caught.value.mistakes] == [(file, 2), (file, 7)]
    with pytest.raises(ConfigError) as caught:
        _assembled(_line(), _device(more='profile = "refused"\n'))
    assert [(m.file, m.line) for m in caught.value.mistakes] == [(Path("p.toml"), 3)]


def test_a_port_that_is_not_there_now_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draft = parse((HEAD + _line() + _line("two", "away")).encode(), FILE, "en")
    assert draft.document is not None
    told = not_there(assemble(draft, CATALOGUE), draft.document, "en")
    ports = [(m.line - FIRST, m.option, m.message) for m in told if m.line >= FIRST]
    assert ports == [(7, "line.port", "there is no port away.")]
    keys = [m.option for m in told if m.line < FIRST]
    assert keys == [
        "keys.device_certificate",
        "keys.device_key",
        "consumer.hpke_keys",
        "consumer.sign_keys",
    ]


def test_the_installed_catalogue_names_the_entry_points_without_loading_them() -> None:
    installed = Catalogue.installed()
    assert {"serial", "tcp"} <= set(installed.media)
    assert "modbus" in installed.drivers


_TABLES: Mapping[str, Any] = {
    "line": st.builds(
        _line,
        st.sampled_from(["one", "two"]),
        st.sampled_from("ab"),
        st.sampled_from(["wire", "radio", "zigbee"]),
        st.sampled_from(["", "speed = 1\n", "x = {}\n"]),
    ),
    "device": st.builds(
        _device,
        st.sampled_from("de"),
        st.sampled_from(["one", "two", ""]),
        st.sampled_from(["lamp", "radio-lamp", "missing-parts", "wrong-kind", "none"]),
        st.sampled_from(["", "unit = 2\n", "unit = 'x'\n", "mode = 1.5\n", "enabled = 1\n"]),
    ),
}


@given(st.lists(_TABLES["line"] | _TABLES["device"], max_size=6))
def test_any_tables_give_an_assembly_or_mistakes_on_lines_of_the_file(tables: list[str]) -> None:
    draft = parse((HEAD + "".join(tables)).encode(), FILE, "ru")
    mistakes: Sequence[Mistake] = ()
    parts = len(tables)
    try:
        assembly = assemble(draft, CATALOGUE)
        parts = len(assembly.lines) + len(assembly.devices)
    except ConfigError as error:
        mistakes = error.mistakes
    end = FIRST + sum(table.count("\n") for table in tables)
    assert bool(mistakes) or parts == len(tables)
    assert all(FIRST <= each.line < end for each in mistakes)


def test_an_option_that_does_not_go_with_the_line_is_a_mistake_at_its_line() -> None:
    text = HEAD + (
        '[[line]]\nid = "a"\nmedium = "serial"\nport = "/dev/ttyUSB0"\n'
        '[[device]]\nid = "d"\nline = "a"\ndriver = "modbus"\nprofile = "demo-door"\nunit = 0\n'
    )

    with pytest.raises(ConfigError) as caught:
        assemble(parse(text.encode(), FILE, "en"))

    (mistake,) = caught.value.mistakes
    assert (mistake.option, mistake.line) == ("device.unit", FIRST + 9)
    assert "serial line" in mistake.message
