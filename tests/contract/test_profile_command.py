"""`mayak profile`: from a profile to a twin, over a connection to the real driver, to values."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.modbus.config import ModbusConfig, ModbusDevice
from drivers.modbus.driver import Modbus
from drivers.modbus.kind import KIND, ask
from drivers.modbus.profile import SHIPPED, read_profile
from gateway.model.errors import NoResponseError
from gateway.model.ids import LineId, PointId
from gateway.model.profile import HeadWords, ProfileKind
from simulators.faults import Silent
from simulators.profiles.cli import app
from simulators.profiles.trying import kinds, protocol_of, try_profile
from simulators.profiles.twins import modbus as serve_modbus
from simulators.running import run_scene
from simulators.scene import parse_scene

WORDS = HeadWords("thing", "Вещь", "Thing", "this test", "1")
RUN_S = 60


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*arguments], env={"LANG": "C"})
    return result.exit_code, result.stdout, result.stderr


def skeleton(folder: Path, old: str = "", new: str = "") -> Path:
    """Return the file of a new profile, with one piece of it replaced."""
    assert KIND.skeleton is not None
    text = KIND.skeleton(WORDS)
    assert old in text
    path = folder / "thing.toml"
    path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
    return path


@pytest.mark.timeout(RUN_S)
def test_all_our_profiles_pass_and_the_last_line_says_so() -> None:
    code, out, _ = run("test", "--all")
    count = len(list(SHIPPED.glob("*.toml")))
    assert code == 0, out
    assert out.splitlines()[-1] == f"profiles: {count} passed, 0 failed"


def test_a_new_profile_passes_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "new-one.toml"
    words = ("--title-ru", 'Новый "прибор"', "--title-en", "New", "--model", "A1", "--model", "B")
    code, said, _ = run("new", "new-one", *words, "--document", "Manual", "--out", str(out))
    assert code == 0
    assert str(out) in said
    sheet = KIND.sheet(out)
    assert (sheet.title["ru"], sheet.models, sheet.document) == (
        'Новый "прибор"',
        ("A1", "B"),
        "Manual",
    )
    code, told, _ = run("test", str(out), "--json")
    assert code == 0
    [verdict] = json.loads(told)["profiles"]
    assert (verdict["passed"], verdict["vectors"], verdict["twin"]) == (True, 3, True)
    assert run("new", "new-one", "--out", str(out))[0] == 64, "a file that is there stays"
    assert run("new", "new-one", "--out", str(out), "--force")[0] == 0
    assert 'name = "other"' in run("new", "other", "--out", "-")[1]
    assert run("new", "x", "--protocol", "telepathy")[0] == 64
    assert run("new", "x", "--out", str(tmp_path / "none" / "x.toml"))[0] == 1


BROKEN = {
    "a wrong value": ("temperature = 21.5", "temperature = 22.5", "not 22.5"),
    "a wrong option": ('unit = "Cel"', 'unit = "C"', "point temperature.unit"),
    "a table without its head": ("[[vector]]", "# [[vector]]", "point mode.values"),
    "another protocol": ('protocol = "modbus"', 'protocol = "telepathy"', "telepathy"),
    "no TOML": ("[source]", "[source", "no TOML"),
    "a flag too few": ("flags = { temperature", "# flags = { temperature", "no_value"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_a_profile_that_is_wrong_fails_with_a_sentence(
    tmp_path: Path, case: tuple[str, str, str]
) -> None:
    old, new, says = case
    path = skeleton(tmp_path, old, new)
    code, out, _ = run("test", str(path), "demo-door")
    assert code == 1
    assert out.splitlines()[-1] == "profiles: 1 passed, 1 failed"
    assert says in out


def test_a_profile_without_a_vector_fails(tmp_path: Path) -> None:
    text = skeleton(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "thing.toml").write_text(text[: text.index("[[vector]]")], encoding="utf-8")
    code, out, _ = run("test", "thing", "--folder", str(tmp_path))
    assert code == 1
    assert "no test vector" in out


async def test_a_twin_that_holds_something_else_is_noticed(tmp_path: Path) -> None:
    path = skeleton(tmp_path)
    steps = []

    @asynccontextmanager
    async def other(path: Path, vector: int) -> AsyncIterator[tuple[str, int]]:
        async with serve_modbus(path, 1 - vector) as place:
            yield place

    good = await try_profile(path, kinds(), lambda: steps.append(1))
    assert (good.problems, good.twin, len(steps)) == ([], True, 3)
    first = [each async for each in _asked(path, other)]
    assert any("temperature" in each and "no_value" in each for each in first)


async def _asked(path: Path, serve: object) -> AsyncIterator[str]:
    async with serve(path, 0) as (host, port):  # type: ignore[operator]
        for problem in await ask(path, 0, host, port):
            yield problem


async def test_a_twin_that_is_not_there_is_a_failure_not_a_crash(tmp_path: Path) -> None:
    path = skeleton(tmp_path)
    async with serve_modbus(path, 0) as place:
        pass  # gone again
    [problem] = await ask(path, 0, *place)
    assert problem.startswith("thing, vector 1: ")


IDENTIFY = """
[[identify.object]]
id = "product_code"
pattern = "^T1"

[[identify.signature]]
table = "holding"
address = 200
type = "u16"
equals = [7]
"""


async def test_a_twin_of_another_model_is_not_taken_for_this_one(tmp_path: Path) -> None:
    marked = skeleton(tmp_path, "[[point]]", IDENTIFY + "\n[[point]]")
    assert (await try_profile(marked, kinds(), lambda: None)).problems == []
    (tmp_path / "other").mkdir()
    text = marked.read_text(encoding="utf-8").replace("^T1", "^U1").replace("[7]", "[8]")
    other = tmp_path / "other" / "thing.toml"
    other.write_text(text, encoding="utf-8")
    async with serve_modbus(other, 0) as place:
        problems = await ask(marked, 0, *place)
    assert [each.split(": ")[1].split()[0] for each in problems] == ["its", "it"]


async def test_a_profile_of_which_no_twin_can_be_made_fails(tmp_path: Path) -> None:
    path = skeleton(tmp_path, "low = -60.0", "low = 100.01")
    text = path.read_text(encoding="utf-8").replace("high = 100.0", "high = 100.02", 1)
    said, flag = "values = { temperature = 21.5 }", 'flags = { temperature = "out_of_range" }'
    assert said in text
    path.write_text(text.replace(said, flag), encoding="utf-8")
    verdict = await try_profile(path, kinds(), lambda: None)
    assert not verdict.passed
    assert all("no twin can be made" in each for each in verdict.problems)


async def test_a_protocol_without_twin_is_only_checked(tmp_path: Path) -> None:
    path = skeleton(tmp_path)
    alone = ProfileKind(KIND.protocol, KIND.schema, KIND.sheet, KIND.check)
    verdict = await try_profile(path, {"modbus": alone}, lambda: None)
    assert (verdict.passed, verdict.twin, verdict.vectors) == (True, False, 3)


def test_what_is_not_there_is_told() -> None:
    for name in ("no-such", "../x", "No Name", "none.toml"):
        code, _, said = run("test", name)
        assert code == 78
        assert name in said
    assert run("test")[0] == 64
    assert run("show", "no-such")[0] == 78


def test_profiles_are_listed_and_shown(tmp_path: Path) -> None:
    skeleton(tmp_path)
    code, out, _ = run("list", "--folder", str(tmp_path))
    assert code == 0
    assert all(path.stem in out for path in (*SHIPPED.glob("*.toml"), Path("thing.toml")))
    names = [each["name"] for each in json.loads(run("list", "--json")[1])]
    assert names == sorted(path.stem for path in SHIPPED.glob("*.toml"))
    code, out, _ = run("show", "thing", "--folder", str(tmp_path), "--lang", "en")
    assert code == 0
    assert "no value: 0x7fff" in out
    assert "poll groups: fast 1 s, slow 60 s" in out
    assert "Вещь" in run("show", "thing", "--folder", str(tmp_path), "--lang", "ru")[1]
    assert json.loads(run("show", "demo-door", "--json")[1])["points"][0]["name"] == "door_open"


def test_a_profile_with_mistakes_cannot_be_shown(tmp_path: Path) -> None:
    path = skeleton(tmp_path, 'unit = "Cel"', 'unit = "C"')
    code, _, said = run("show", str(path))
    assert code == 78
    assert "point temperature.unit" in said
    assert run("show", str(skeleton(tmp_path, 'protocol = "modbus"', 'protocol = "x"')))[0] == 78


def test_one_file_that_cannot_be_used_does_not_hide_the_others(tmp_path: Path) -> None:
    skeleton(tmp_path, 'protocol = "modbus"', 'protocol = "telepathy"')
    code, out, said = run("list", "--folder", str(tmp_path))
    assert code == 1
    assert "demo-door" in out
    assert "telepathy" in said


def test_the_page_of_our_profiles_is_as_they_are(tmp_path: Path) -> None:
    code, _, said = run("page", "--check")
    assert code == 0, said
    stale = tmp_path / "README.md"
    assert run("page", "--check", "--out", str(stale))[0] == 1
    assert run("page", "--out", str(stale))[0] == 0
    assert run("page", "--check", "--out", str(stale))[0] == 0
    stale.write_text(stale.read_text(encoding="utf-8") + "x", encoding="utf-8")
    assert run("page", "--check", "--out", str(stale))[0] == 1


def test_every_profile_of_ours_is_known_by_one_kind() -> None:
    known = kinds()
    assert {protocol_of(path) for path in SHIPPED.glob("*.toml")} <= set(known)
    for kind in known.values():
        assert kind.schema()["properties"]["protocol"]


SCENE = """
[[line]]
id = "line"
medium = "serial"
baud_rate = 115200

[[twin]]
id = "meter"
line = "line"
kind = "profile"
profile = "demo-meter-3p"
unit = 7
vector = 1
answers = "answers"
"""


async def test_a_twin_by_profile_hangs_on_a_serial_line_counts_and_falls_silent() -> None:
    async with run_scene(parse_scene(SCENE, "test")) as running:
        address = running.lines["line"].address
        line = SerialLine(
            LineId("line"), SerialLineConfig(port=address.path, baud_rate=address.baud_rate)
        )
        profile = read_profile(SHIPPED / "demo-meter-3p.toml")
        options = ModbusConfig(profile="demo-meter-3p", unit=7, response_timeout_s=0.3)
        device = Modbus(ModbusDevice(options, profile.map), line)
        await line.open()
        try:
            for count in (1, 2):
                sample = await device.poll(device.groups[0])
                names = [point.name for point in device.groups[0].table]
                told = dict(zip(names, sample.cells, strict=True))
                said = profile.vectors[0].values
                common = set(said) & set(names) - {"answers"}
                assert common
                assert {name: told[PointId(name)] for name in common} == pytest.approx(
                    {name: said[name] for name in common}
                )
                assert told[PointId("answers")] == count
            held = running.apply("meter", Silent())
            with pytest.raises(NoResponseError):
                await device.poll(device.groups[0])
            running.end("meter", held)
            await device.poll(device.groups[0])
        finally:
            await line.close()
        assert [entry.number for entry in running.truth.entries()] == [1, 2, 3]
