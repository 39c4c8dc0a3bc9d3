"""The scanner finds whatever tomllib finds, on the line where it stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.positions import Position, scan
from gateway.model.errors import KeyPath


def _paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _paths(inner, (*path, place))


def _check(text: str) -> None:
    positions = scan(text)
    lines = text.replace("\r\n", "\n").split("\n")
    expected = set(_paths(tomllib.loads(text)))
    assert set(positions.places) == expected
    assert not positions.repeats
    for path in expected:
        position = positions.places[path]
        key = path[-1]
        raw = lines[position.line - 1][position.column : position.column + position.width]
        if isinstance(key, str):
            assert tomllib.loads(f"{raw} = 1") == {key: 1}
        else:
            assert position.column <= len(lines[position.line - 1])


EXAMPLES = {
    "plain": "a = 1\nb = 'x'\n",
    "dotted": "a.b.c = 1\na.b.d = 2\n a . 'e f' = 3",
    "quoted": '"a.b" = 1\n"\\u0041 \\"x" = 2\n\'#\' = 3\n"" = 4\n',
    "tables": "[a]\nx = 1\n[a.b] # note\ny = 2\n[c.d.e]\nz = 3\n[c]\nw = 4\n",
    "arrays of tables": "[[a]]\nx = 1\n[a.b]\ny = 1\n[[a]]\n[[a.c]]\n[[a.c]]\n[a.c.d]\nq=1\n",
    "inline": "a = { b = 1, c = { 'd' = [1, {e = 2}] }, f.g = 3 }\nh = {}\n",
    "multi-line array": "a = [ # first\n 1,\n [2,\n 3], # ] ]\n {x = 1}, \n]\nb = []\n",
    "long strings": 'a = """\n[x]\nb = 1\n\\""" """""\ne = """\\\\"""\nf=1\n',
    "long literals": "a = 1\nc = '''\nd = 1 '''''\ne = 1\n",
    "short strings": 'a = "x # \\" = [" # no\nb = \'\\\'\nc = "]"\n',
    "dates": "a = 1979-05-27 07:32:00\nb = [1979-05-27 07:32:00.5, 07:32:00]\nc = 1979-05-27",
    "numbers": "a = +1_000\nb = -0.1e-3\nc = [inf,-nan,0xff,true]\n",
    "windows": "[a]\r\nb = [\r\n 1,\r\n 2]\r\nc = '''\r\n'''\r\nd = 1\r\n",
    "nothing": "# only a note",
}


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_positions_of_an_example_are_those_of_tomllib(text: str) -> None:
    _check(text)


def test_a_table_stands_at_its_own_header_even_when_a_sub_table_came_first() -> None:
    positions = scan("[a.b]\nx = 1\n[a]\ny = 2\n")
    assert positions.places["a",].line == 3
    assert positions.places["a", "b"] == Position(1, 3, 1)


def test_find_falls_back_to_the_nearest_table_around() -> None:
    positions = scan("\n[[a]]\nx = 1\n")
    assert positions.find(("a", 0, "missing")).line == 2
    assert positions.find(("nowhere", 3)).line == 1
    assert positions.has(("a", 0, "x"))
    assert not positions.has(("a", 1))


def test_a_key_that_stands_twice_is_told_with_both_lines() -> None:
    (repeat,) = scan("a = 1\n[b]\nc = 1\nc = 2\n").repeats
    assert (repeat.path, repeat.first.line, repeat.second.line) == (("b", "c"), 3, 4)


DEEP = {
    "arrays": "x = 1\ny = " + "[" * 300_000,
    "inline tables": "x = 1\ny = " + "{a=" * 300_000,
    "dotted key": "x = 1\ny" + ".a" * 300_000 + " = 1",
    "header": "x = 1\n[y" + ".a" * 300_000 + "]",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_a_text_nested_too_deeply_is_told_in_no_time(text: str) -> None:
    positions = scan(text)
    assert positions.too_deep is not None
    assert positions.too_deep.line == 2
    assert positions.has(("x",))


@given(st.text())
def test_any_text_is_scanned_without_an_error(text: str) -> None:
    scan(text)


_PIECES = [*"[]{}=.,# \"'\\ab1\n", "[[", "]]", "\r\n", '"' * 3, "'" * 3]


@given(st.lists(st.sampled_from(_PIECES), max_size=40))
def test_whatever_tomllib_accepts_has_positions(pieces: list[str]) -> None:
    text = "".join(pieces)
    with suppress(tomllib.TOMLDecodeError):
        tomllib.loads(text)
        _check(text)
    scan(text)


# documents made from values

_NAMES = st.text("ab-_1 .#=[]\"'\\й\t", min_size=0, max_size=4)
_SPACE = st.sampled_from(["", " ", "\t"])
_BREAK = st.sampled_from(["", " ", "\n", " # [x] = ]\n", "\r\n "])
_UP_TO_TWO = st.integers(0, 2)
_SCALARS = ["1", "-2.5e3", "true", "1979-05-27 07:32:00", "07:32:00", "nan", "0xf"]
_VALUES = ["scalar", "basic", "literal", "long", "long literal"]


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return f'"{escaped}"'


@st.composite
def _written_key(draw: st.DrawFn, name: str) -> str:
    ways = [_quoted(name)]
    if name and all(char in "ab-_1" for char in name):
        ways.append(name)
    if "'" not in name:
        ways.append(f"'{name}'")
    return draw(st.sampled_from(ways))


@st.composite
def _written_value(draw: st.DrawFn, depth: int = 3) -> str:
    match draw(st.sampled_from(_VALUES + (["array", "inline"] if depth else []))):
        case "scalar":
            return draw(st.sampled_from(_SCALARS))
        case "basic":
            return _quoted(draw(_NAMES))
        case "literal" | "long literal" as how:
            body = draw(_NAMES).replace("'", "")
            long = f"'''\n{body}{chr(39) * draw(_UP_TO_TWO)}'''"
            return long if how == "long literal" else f"'{body}'"
        case "long":
            body = draw(_NAMES).replace("\\", "\\\\").replace('"', '\\"') + "\n[a]\nb = 1"
            return f'"""{body}{chr(34) * draw(_UP_TO_TWO)}"""'
        case "array":
            items = draw(st.lists(_written_value(depth - 1), max_size=3))
            parts = [f"{draw(_BREAK)}{item}{draw(_BREAK)}" for item in items]
            tail = draw(st.sampled_from(["", ","])) if items else ""
            return f"[{','.join(parts)}{tail}{draw(_BREAK)}]"
        case _:
            names = draw(st.lists(_NAMES, max_size=3, unique=True))
            pairs = [
                f"{draw(_written_key(name))}{draw(_SPACE)}={draw(_SPACE)}{draw(_written_value(0))}"
                for name in names
            ]
            return "{" + ",".join(pairs) + draw(_SPACE) + "}"


@st.composite
def _lines(draw: st.DrawFn) -> str:
    how = draw(st.sampled_from(["pair", "dotted", "table", "array", "note"]))
    if how == "note":
        return draw(st.sampled_from(["", "# [a]\tb = 'c"]))
    names = draw(st.lists(_NAMES, min_size=1, max_size=1 if how == "pair" else 3))
    dot = f"{draw(_SPACE)}.{draw(_SPACE)}"
    key = draw(_SPACE) + dot.join(draw(_written_key(name)) for name in names) + draw(_SPACE)
    if how == "table":
        return f"[{key}]"
    if how == "array":
        return f"[[{key}]]"
    return f"{key}={draw(_SPACE)}{draw(_written_value())} # = [x]"


@given(st.lists(_lines(), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_positions_of_a_generated_document_are_those_of_tomllib(lines: list[str], end: str) -> None:
    text = end.join(lines)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        scan(text)
    else:
        _check(text)
