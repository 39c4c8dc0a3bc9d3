"""`mayak run` before there is an agent: its arguments, and what is kept out of its memory."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import cli
from gateway.cli.lean import one_heap, when_used

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name one site file"),
        (["a.toml", "b.toml"], "name one site file"),
        (["a.toml", "--log", "xml"], "--log is json or text, not 'xml'"),
        (["a.toml", "--log"], "option --log requires argument"),
        (["--speed", "a.toml"], "option --speed not recognized"),
    ],
)
def test_arguments_that_make_no_sense_are_told_with_how_it_is_used(
    capsys: Capture, arguments: list[str], said: str
) -> None:
    assert cli.main(["run", *arguments]) == os.EX_USAGE
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == f"mayak run: {said}"
    assert second == "usage: mayak run [--log json|text] SITE.toml"


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_no_mistake(capsys: Capture, asked: str) -> None:
    assert cli.main(["run", asked]) == 0
    assert "SITE.toml" in capsys.readouterr().out


def test_a_site_file_with_mistakes_ends_with_78_and_all_of_them(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('gateway.id = "G"\n[store]\nmax_mib = 1\n', encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "run", str(site), "--log", "text"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=Path(__file__).parents[3],
    )
    assert ended.returncode == os.EX_CONFIG
    told = [line.split(":")[1:3] for line in ended.stderr.splitlines()]
    assert ["1", " gateway.id"] in told
    assert ["3", " store.max_mib"] in told
    assert ended.stdout == ""


LATER = """\
import sys, xml
from gateway.cli.lean import when_used
when_used("xml.sax.saxutils")
import xml.sax.saxutils
from xml.sax import saxutils
assert saxutils.escape("<") == "&lt;"
assert sys.modules["xml.sax.saxutils"].__file__.endswith("saxutils.py")
assert xml.sax.saxutils is sys.modules["xml.sax.saxutils"]
assert saxutils.quoteattr("a") == '"a"', "who has the stand-in goes on with it"
when_used("colorsys")
import colorsys
assert not hasattr(colorsys, "__file__")
assert colorsys.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
try:
    colorsys.nothing
except AttributeError as error:
    print(error)
"""


def test_a_module_that_is_loaded_when_used_is_the_real_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LATER],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=Path(__file__).parents[3],
    )
    assert ended.stderr == ""
    assert ended.stdout == "module 'colorsys' has no attribute 'nothing'\n"


def test_a_module_that_is_loaded_stays_as_it_is() -> None:
    before = sys.modules["json"]
    when_used("json")
    assert sys.modules["json"] is before


def test_one_heap_serves_all_threads() -> None:
    code = (
        "import ctypes, threading\nfrom gateway.cli.lean import one_heap\none_heap()\n"
        "malloc = ctypes.CDLL(None).malloc\nmalloc.restype = ctypes.c_void_p\n"
        "def work():\n    [malloc(5000) for _ in range(50)]\n"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "ctypes.CDLL(None).malloc_stats()"
    )
    if not hasattr(ctypes.CDLL(None), "malloc_stats"):
        pytest.skip("this C library has no arenas to count")
    one_heap()
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).parents[3],
    )
    assert ended.stderr.count("Arena ") == 1
