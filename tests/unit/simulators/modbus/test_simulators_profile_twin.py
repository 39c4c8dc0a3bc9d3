"""A twin made from a profile holds what the profile says, and reads as the driver reads it."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.modbus.codec import compile_decoder
from drivers.modbus.identify import Confidence, believable, named, signed
from drivers.modbus.profile import Profile, parse_profile, read_profile
from gateway.model.ids import PointId
from gateway.model.reading import Cause
from simulators.modbus.pdu import ReadRange, serve
from simulators.modbus.profile.device import ProfileDevice, ProfileOptions, build
from simulators.modbus.profile.guess import accepts, guess, usual
from simulators.modbus.profile.reader import (
    FOLDER,
    Cell,
    Place,
    Plan,
    ProfileTwinError,
    find,
    matching,
    parse_plan,
    plan_of,
    read_plan,
)
from simulators.modbus.profile.wire import Form, number_of, ordered, pattern_of, put

PATH = Path("thing.toml")
HEAD = """\
name = "thing"
title = { ru = "Вещь", en = "Thing" }

[source]
document = "this test"
edition = "1"

[limits]
max_gap = 2
never = { holding = [[22, 22]] }

[[identify.object]]
id = "product_code"
pattern = "^T[0-9]+"
example = "T1000"

[[identify.signature]]
table = "input"
address = 90
type = "u16"
equals = [0x4711]

[[identify.signature]]
table = "input"
address = 1
type = "u16"
equals = [99]
"""
POINTS = """
[[point]]
name = "energy"
table = "input"
address = 0
type = "u32"
scale = 0.1
unit = "kW.h"

[[point]]
name = "status"
table = "input"
address = 4
type = "u16"
mask = 0xF0
states = { 3 = "three", 5 = { name = "five", ru = "пять", en = "five" } }

[[point]]
name = "fault"
table = "input"
address = 4
type = "bool"
mask = 0x01

[[point]]
name = "name"
table = "input"
address = 10
type = "string"
length = 6
order = "BADC"

[[point]]
name = "setpoint"
table = "holding"
address = 20
type = "i16"
scale = 0.5
low = -10.0
high = 10.0
sentinel = [0]
writable = true
safe = -2.5

[[point]]
name = "limit"
table = "holding"
address = 21
type = "u16"

[[point]]
name = "after"
table = "holding"
address = 23
type = "u16"
low = 1000
high = 1000

[[point]]
name = "relay"
table = "coil"
address = 3
writable = true
safe = true

[[point]]
name = "lamp"
table = "coil"
address = 4

[[point]]
name = "answers"
table = "input"
address = 50
type = "u32"

[[vector]]
request = "04 0000 0002"
answer = "04 04 0001 0000"
values = { energy = 6553.6 }

[[vector]]
request = "01 0003 0002"
answer = "01 01 02"
values = { relay = false, lamp = true }
"""
TEXT = HEAD + POINTS


def plan() -> Plan:
    return parse_plan(TEXT, "thing")


def ask(device: ProfileDevice, request: str) -> str:
    answer = serve(device.memory, device.identity, bytes.fromhex(request))
    assert answer is not None
    return answer.hex(" ")


def read(profile: Profile, device: ProfileDevice) -> dict[str, Any]:
    """Return what the driver's codec reads of every point, and its flag."""
    told = {}
    for name, mapped in profile.map.points.items():
        function = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}[mapped.field.span.table]
        span = mapped.field.span
        request = struct.pack(">BHH", function, span.address, span.length)
        answer = serve(device.memory, device.identity, request)
        assert answer is not None
        assert answer[0] == function, name
        cells, flags = compile_decoder(span, [mapped]).decode(answer, 2)
        told[str(name)] = flags[0].cause.name if flags else cells[0]
    return told


def test_registers_hold_the_vectors_and_plausible_values_elsewhere() -> None:
    assert read(parse_profile(TEXT, PATH), ProfileDevice(plan())) == {
        "energy": pytest.approx(6553.6),
        "status": 3,
        "fault": False,
        "name": "MAYAK",
        "setpoint": 1.0,
        "limit": 1,
        "after": 1000,
        "relay": False,
        "lamp": True,
        "answers": 1,
    }


def test_one_vector_may_be_held_alone() -> None:
    profile, first = parse_profile(TEXT, PATH), ProfileDevice(plan(), vector=1)
    assert read(profile, first)["lamp"] is False, "a guess, not that of the second vector"
    second = ProfileDevice(plan(), vector=2)
    assert read(profile, second)["energy"] == pytest.approx(1234.5)
    with pytest.raises(ProfileTwinError, match="2 test vectors"):
        ProfileDevice(plan(), vector=3)


REQUESTS = {
    "a point": ("04 0000 0002", "04 04 00 01 00 00"),
    "outside the map": ("04 0060 0001", "84 02"),
    "across its end": ("04 0032 0003", "84 02"),
    "a gap": ("04 0002 0002", "04 04 00 00 00 00"),
    "a gap wider than the profile reads": ("04 0005 0002", "84 02"),
    "over what must not be touched": ("03 0015 0003", "83 02"),
    "a table that is not there": ("02 0000 0001", "82 01"),
    "a register that tells something else alone": ("04 0001 0001", "04 02 00 63"),
    "the same in a longer read": ("04 0001 0002", "04 04 00 00 00 00"),
    "a good value": ("06 0014 fff0", "06 00 14 ff f0"),
    "a value beyond the limits": ("06 0014 0015", "86 03"),
    "a value that means none": ("06 0014 0000", "86 03"),
    "what cannot be written": ("06 0015 0005", "86 02"),
    "a coil": ("05 0003 ff00", "05 00 03 ff 00"),
    "a coil that cannot be written": ("05 0004 ff00", "85 02"),
    "coils of which one cannot": ("0f 0003 0002 01 03", "8f 02"),
    "its name": ("2b 0e 04 01", "2b 0e 04 82 00 00 01 01 05 54 31 30 30 30"),
}


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS)
def test_it_answers_as_a_device_of_this_map_would(case: tuple[str, str]) -> None:
    request, answer = case
    assert ask(ProfileDevice(plan()), request) == answer


def test_a_profile_that_says_nothing_of_names_makes_a_twin_without() -> None:
    text = TEXT[: TEXT.index("[[identify.object]]")] + TEXT[TEXT.index("[[identify.signature]]") :]
    assert ask(ProfileDevice(parse_plan(text, "thing")), "2b 0e 01 00") == "ab 01"
    with_maker = parse_plan('maker = "Завод M"\n' + TEXT, "thing")
    assert ProfileDevice(with_maker).identity == {0: b"????? M", 1: b"T1000", 2: b"1.0"}


def test_gaps_may_be_refused() -> None:
    assert ask(ProfileDevice(plan(), gaps=False), "04 0002 0002") == "84 02"


def test_actuators_are_safe_after_power_up() -> None:
    device, profile = ProfileDevice(plan()), parse_profile(TEXT, PATH)
    ask(device, "06 0014 0004")
    ask(device, "05 0003 0000")
    assert (read(profile, device)["setpoint"], read(profile, device)["relay"]) == (2.0, False)
    device.power_on()
    assert (read(profile, device)["setpoint"], read(profile, device)["relay"]) == (-2.5, True)


def test_a_lively_twin_moves_inside_its_limits_and_leaves_vectors_alone() -> None:
    profile, device = parse_profile(TEXT, PATH), ProfileDevice(plan(), lively=True, seed=3)
    vectors = {"energy", "relay", "lamp"}
    before = read(profile, device)
    seen = set()
    text = TEXT.replace('"kW.h"', '"V"').replace("[[vector]]", "[[ignored]]")
    moving = ProfileDevice(parse_plan(text, "thing"), lively=True, seed=3)
    for _ in range(20):
        device.advance(1.0)
        moving.advance(1.0)
        after = read(profile, device)
        assert {name: after[name] for name in vectors} == {name: before[name] for name in vectors}
        seen.add(read(profile, moving)["energy"])
    assert len(seen) > 5
    assert all(0.97 * 230 < value < 1.03 * 230 for value in seen)


def test_a_point_may_count_answers() -> None:
    assert ProfileDevice(plan(), answers="answers").answers_at == ReadRange(4, 50, 2)  # type: ignore[arg-type]
    assert ProfileDevice(plan()).answers_at is None
    for name in ("energy2", "limit"):
        with pytest.raises(ProfileTwinError, match="count answers"):
            ProfileDevice(plan(), answers=name)


OURS = sorted(path for path in FOLDER.glob("*.toml") if 'protocol = "' not in path.read_text())
OURS += sorted(
    path for path in FOLDER.glob("*.toml") if 'protocol = "modbus"' in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_profile_of_ours_is_recognised_by_its_twin(path: Path) -> None:
    profile = read_profile(path)
    device = ProfileDevice(read_plan(path), vector=1 if profile.vectors else None)
    answers: dict[Any, bytes | None] = {}
    for signature in profile.identification.signatures:
        span = signature.span
        function = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}[span.table]
        request = struct.pack(">BHH", function, span.address, span.length)
        answer = serve(device.memory, device.identity, request)
        assert answer is not None
        answers[span] = answer[2:]
    expected = Confidence.SIGNATURE if answers else Confidence.UNKNOWN
    assert signed(profile.identification, answers) is expected
    objects = Confidence.NAMED if profile.identification.objects else Confidence.UNKNOWN
    assert named(profile.identification, dict(device.identity)) is objects


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_without_its_vectors_every_twin_is_a_healthy_device(path: Path) -> None:
    profile = read_profile(path)
    told = read(profile, ProfileDevice(replace(read_plan(path), vectors=())))
    bad = {cause.name for cause in Cause}
    assert not {name: value for name, value in told.items() if value in bad}
    values = {PointId(name): value for name, value in told.items()}
    expected = Confidence.PLAUSIBLE if profile.identification.plausible else Confidence.UNKNOWN
    assert believable(profile.identification, values) is expected


NUMBERS = st.sampled_from(
    ["u16", "i16", "u32", "i32", "u64", "i64", "float32", "float64", "bcd16", "bcd32"]
)


@given(
    kind=NUMBERS,
    order=st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    number=st.floats(-(2**40), 2**40) | st.integers(-(2**63), 2**64 - 1),
)
def test_what_the_twin_writes_the_driver_reads(kind: str, order: str, number: float) -> None:
    text = f"""
[[point]]
name = "x"
table = "holding"
address = 5
type = "{kind}"
order = "{order}"
"""
    head = HEAD[: HEAD.index("[limits]")]
    device = ProfileDevice(parse_plan(head + text, "thing"))
    [cell] = parse_plan(head + text, "thing").cells
    pattern = pattern_of(cell.form, number)
    assume(pattern is not None)
    device.set(cell, number)
    got = read(parse_profile(head + text, PATH), device)["x"]
    assert pattern is not None
    assert got == number_of(cell.form, pattern)
    if kind in {"float64", "u64", "i64"} and float(number).is_integer():
        assert got == pytest.approx(number, rel=1e-15)
    elif kind != "float32":
        assert abs(got - number) <= 0.5


FORMS = st.builds(
    Form,
    kind=st.just("u32"),
    order=st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    mask=st.integers(1, 0xFFFF_FFFF) | st.none(),
    shift=st.just(0),
    words=st.just(2),
    encoding=st.just("ascii"),
)


@given(FORMS, st.binary(min_size=4, max_size=4), st.integers(0, 0xFFFF_FFFF))
def test_bits_of_others_stay_as_they_were(form: Form, before: bytes, pattern: int) -> None:
    after = put(form, before, pattern)
    mask = 0xFFFF_FFFF if form.mask is None else form.mask
    old, new = (int.from_bytes(ordered(form, each), "big") for each in (before, after))
    assert new & ~mask == old & ~mask
    assert new & mask == pattern & mask


CELLS = st.builds(
    Cell,
    name=st.just("x"),
    place=st.just(Place("input", 0, 1)),
    form=st.sampled_from(
        [Form(kind, "ABCD", None, 0, 1, "ascii") for kind in ("u16", "i16", "bcd16")]
    ),
    unit=st.sampled_from(["1", "V", "Cel", "%"]),
    scale=st.sampled_from([1.0, 0.1, -0.5, 10.0]),
    offset=st.sampled_from([0.0, -40.0]),
    low=st.none() | st.floats(-1000, 1000),
    high=st.none() | st.floats(-1000, 1000),
    sentinels=st.frozensets(st.integers(0, 0xFFFF), max_size=3),
    states=st.lists(st.integers(0, 9), max_size=3),
)


@settings(max_examples=25)
@given(CELLS)
def test_a_guess_is_inside_the_limits_or_there_is_none(cell: Cell) -> None:
    if cell.low is not None and cell.high is not None and cell.low <= cell.high:
        assert cell.low <= usual(cell) <= cell.high
    try:
        found = guess([cell])
    except ProfileTwinError:
        assert not any(accepts(cell, pattern) for pattern in range(0x10000))
    else:
        assert accepts(cell, found)


PATTERNS = {
    "plain": ("^Maker", None, "Maker"),
    "an escape": (r"A\.B", None, "A.B"),
    "anything": ("A.*", None, "A"),
    "something": ("A.+B", None, "AxB"),
    "an example": ("[0-9]+", "17", "17"),
}


@pytest.mark.parametrize("case", PATTERNS.values(), ids=PATTERNS)
def test_a_text_that_matches_is_found(case: tuple[str, str | None, str]) -> None:
    pattern, example, text = case
    assert matching(pattern, example) == text


@pytest.mark.parametrize(("pattern", "example"), [("[0-9]+", None), ("A", "B")])
def test_a_pattern_without_a_text_needs_an_example(pattern: str, example: str | None) -> None:
    with pytest.raises(ProfileTwinError, match="example"):
        matching(pattern, example)


BROKEN = {
    "no TOML": ("= =", "no TOML"),
    "no points": ("name = 'x'", "point"),
    "another protocol": ("protocol = 'ble'", "ble"),
    "an unknown table": (POINTS.replace('"holding"', '"memory"'), "memory"),
    "an unknown type": (POINTS.replace('"i16"', '"i24"'), "i24"),
    "an unknown order": (POINTS.replace('"BADC"', '"ABDC"'), "ABDC"),
    "no scale": (POINTS.replace("scale = 0.5", "scale = 0"), "scale is 0"),
    "beyond the table": (POINTS.replace("address = 50", "address = 65535"), "beyond"),
    "no request": (POINTS.replace('"04 0000 0002"', '"10 0000 0002 00"'), "read request"),
    "a mask beyond the register": (POINTS.replace("0xF0", "0xF0000"), "mask"),
    "an answer too short": (POINTS.replace('"01 01 02"', '"01 01"'), "another length"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_what_is_no_profile_makes_no_twin(case: tuple[str, str]) -> None:
    text, says = case
    with pytest.raises(ProfileTwinError, match=says):
        parse_plan(text, "thing")


def test_what_fits_nowhere_is_told() -> None:
    for old, new, says in (
        ("high = 1000", "high = 999", "inside the limits"),
        ("equals = [0x4711]", "equals = [0x14711]", "does not fit"),
    ):
        with pytest.raises(ProfileTwinError, match=says):
            ProfileDevice(parse_plan(TEXT.replace(old, new), "thing"))


TOML = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=5,
)


OPTIONS = (
    *("address", "type", "order", "length", "mask", "shift", "scale", "offset", "sentinel"),
    *("states", "low", "high", "writable", "safe", "table", "reference", "unit", "encoding"),
)


@given(st.sampled_from(OPTIONS), TOML)
def test_any_option_of_a_point_makes_a_twin_or_is_refused(option: str, value: object) -> None:
    raw = {"table": "holding", "address": 1, "type": "u16", "name": "x"} | {option: value}
    try:
        device = ProfileDevice(plan_of({"point": [raw]}, "x"))
    except ValueError as error:
        assert isinstance(error, ProfileTwinError)  # noqa: PT017 - both ends are right
    else:
        device.power_on()


@given(st.text(max_size=200))
def test_any_text_makes_a_plan_or_is_refused(text: str) -> None:
    with pytest.raises(ProfileTwinError):
        parse_plan(text, "thing")


def test_files_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "thing.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert find("demo-door") == FOLDER / "demo-door.toml"
    assert find(str(path)) == path
    for name in ("no-such", "../x", str(tmp_path / "none.toml")):
        with pytest.raises(ProfileTwinError):
            find(name)
    path.write_bytes(b"\xff")
    with pytest.raises(ProfileTwinError):
        read_plan(path)


def test_a_scene_names_a_profile_and_is_refused_when_there_is_none() -> None:
    options = ProfileOptions(id="a", line="b", profile="demo-door", answers="answers", vector=1)
    assert build(options).answers_at == ReadRange(4, 0, 2)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="no profile"):
        ProfileOptions(id="a", line="b", profile="no-such")


def test_numbers_that_fit_nowhere_have_no_pattern() -> None:
    word = Form("u16", "ABCD", None, 0, 1, "ascii")
    assert [pattern_of(word, number) for number in (-1, 65536, math.inf, math.nan)] == [None] * 4
    assert pattern_of(Form("float32", "ABCD", None, 0, 2, "ascii"), 1e300) is None
    assert number_of(Form("bcd16", "ABCD", None, 0, 1, "ascii"), 0xABCD) is None
