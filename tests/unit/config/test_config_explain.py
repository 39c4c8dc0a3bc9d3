"""What counts, where it came from, and what changes from one site to another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gateway.config.checking import names_of
from gateway.config.crosscheck import tables
from gateway.config.explain import Change, Difference, Kind, diff, explain, label, shown
from gateway.config.loading import Draft, parse
from gateway.config.parts import Part, parts_of
from gateway.model.errors import KeyPath
from gateway.model.options import Options
from tests.checked_options import checked

SITE = """\
[gateway]
id = "g"
[keys]
device_key = "keys/k"
device_certificate = "c"
[[consumer]]
id = "city"
audiences = ["operations"]
hpke_keys = ["h"]
sign_keys = ["s"]
[uplink]
consumer = "city"
host = "localhost"
tls = false
[[line]]
id = "one"
medium = "wire"
port = "a"
[[line]]
id = "two"
medium = "wire"
port = "b"
[[device]]
id = "d"
line = "one"
driver = "lamp"
unit = 1
[[device]]
id = "e"
line = "two"
driver = "lamp"
periods = { fast = 1.0 }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Options):
    """A table inside a plugin's options."""

    depth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOptions(Options):
    """Options of any plugin."""

    port: str = ""
    unit: int = 0
    period_s: float = 1.0
    periods: dict[str, float] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    several: list[Inner] = field(default_factory=list)


ANY = names_of(AnyOptions)


def _draft(text: str = SITE, file: str = "/etc/one/site.toml") -> Draft:
    return parse(text.encode(), Path(file), "en")


def _parts(text: str = SITE, file: str = "/etc/one/site.toml") -> tuple[Part, ...]:
    draft = _draft(text, file)
    assert draft.site is not None
    assert draft.document is not None
    options: dict[KeyPath, Options] = {
        path: checked(AnyOptions, {name: each for name, each in table.items() if name in ANY})
        for section in ("line", "device")
        for path, table in tables(draft.document, section)
    }
    return parts_of(draft.site, draft.document, options)


def _diff(new: str, old: str = SITE) -> Difference:
    folders = (Path("/etc/one"), Path("/srv/two"))
    return diff(_parts(old), _parts(new, "/srv/two/site.toml"), folders)


def _said(difference: Difference) -> list[str]:
    return [change.sentence("en") for change in difference.changes]


def test_each_value_is_told_with_its_line_or_as_a_default() -> None:
    document = _draft().document
    assert document is not None
    rows = {row.option: (row.value, row.line) for row in explain(_parts(), document)}
    assert rows["gateway.id"] == ('"g"', 2)
    assert rows["gateway.language"] == ('"ru"', None)
    assert rows["keys.device_key"] == ('"/etc/one/keys/k"', 4)
    assert rows["consumer.city.hpke_keys"] == ('["/etc/one/h"]', 9)
    assert rows["line.one.port"] == ('"a"', 18)
    assert rows["device.d.unit"] == ("1", 27)
    assert rows["device.d.period_s"] == ("1.0", None)
    assert rows["device.e.periods.fast"] == ("1.0", 32)
    assert rows["device.d.inner.depth"] == ("1", None)
    assert rows["uplink.city.ca"] == ("", None)
    assert rows["uplink.city.host"] == ('"localhost"', 13)
    assert rows["store.path"] == ('"/etc/one/var/store.db"', None)
    assert rows["health.period_s"] == ("10.0", None)


def test_the_same_site_in_another_folder_with_defaults_written_out_changes_nothing() -> None:
    more = SITE.replace("[keys]", 'language = "ru"\n[keys]') + "[store]\nmax_mib = 512\n"
    difference = _diff(more)
    assert difference == Difference((), 10, ())


def test_a_changed_device_is_restarted_alone() -> None:
    difference = _diff(SITE.replace("unit = 1", "unit = 1\nperiod_s = 5"))
    assert _said(difference) == ["device d: period_s 1.0 -> 5.0."]
    assert difference.restarted == (("device", "d"),)
    assert difference.unchanged == 9


def test_a_changed_line_restarts_its_devices_and_no_others() -> None:
    difference = _diff(SITE.replace('port = "a"', 'port = "c"'))
    assert _said(difference) == ['line one: port "a" -> "c".']
    assert difference.restarted == (("line", "one"), ("device", "d"))


def test_what_came_and_what_went_is_told_as_a_whole() -> None:
    text = SITE.replace('id = "e"', 'id = "f"').replace("fast = 1.0", "slow = 2.0")
    difference = _diff(text)
    assert _said(difference) == ["device e: removed.", "device f: added."]
    assert difference.restarted == (("device", "f"),)


def test_an_option_that_came_or_went_inside_a_table_is_told() -> None:
    difference = _diff(SITE.replace("fast = 1.0", "slow = 2.0"))
    assert _said(difference) == [
        "device e: periods.fast 1.0 -> nothing.",
        "device e: periods.slow nothing -> 2.0.",
    ]


def test_a_change_all_depends_on_restarts_the_whole_agent() -> None:
    difference = _diff(SITE + "[store]\nmax_mib = 64\n")
    assert _said(difference) == ["section store: max_mib 512 -> 64."]
    assert difference.restarted == (("agent", ""),)
    assert label("agent", "", "ru") == "шлюз целиком"


def test_a_path_outside_the_folder_is_compared_as_it_is() -> None:
    difference = _diff(SITE.replace('"keys/k"', '"/etc/one/keys/k"'))
    assert [change.option for change in difference.changes] == ["device_key"]


def test_a_change_reads_in_russian_too() -> None:
    change = Change(Kind.CHANGED, "device", "meter-1", "period_s", "1.0", "5.0")
    assert change.sentence("ru") == "прибор meter-1: period_s 1.0 -> 5.0."
    assert Change(Kind.ADDED, "line", "x").sentence("ru") == "линия x: добавлено."


def test_values_are_shown_as_they_are_typed() -> None:
    assert shown(Kind.ADDED) == '"added"'
    assert shown('a "b" \\ \x1b') == '"a \\"b\\" \\\\ \\u001b"'
    assert shown(("a", 1, True)) == '["a", 1, true]'
    assert shown({}) == "{}"
    assert shown(None) == ""
    assert shown(MappingProxyType({1: 2})) == "a table"


def test_tables_in_a_list_are_told_one_by_one() -> None:
    draft = _draft()
    assert draft.site is not None
    assert draft.document is not None
    options: dict[KeyPath, Options] = {("device", 0): AnyOptions(several=[Inner(depth=3)])}
    parts = parts_of(draft.site, draft.document, options)
    (device,) = (part for part in parts if part.key == ("device", "d"))
    assert device.options["several.0.depth"].value == 3
    assert device.options["several.0.depth"].path == ("device", 0, "several", 0, "depth")
