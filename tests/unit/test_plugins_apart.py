"""A site is checked in a child process, which hands over the site or its mistakes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError, GatewayError
from gateway.plugins.assembling import assemble_file, places
from gateway.plugins.finding import Catalogue
from gateway.plugins.handing import NotHandedError, pack, unpack
from gateway.plugins.places import Place

SITE = """\
gateway.id = "g"
keys = { device_key = "k", device_certificate = "c" }
consumer = [{ id = "city", audiences = ["operations"], hpke_keys = ["h"], sign_keys = ["s"] }]
uplink = { consumer = "city", host = "localhost", tls = false }
[[line]]
id = "net"
medium = "tcp"
host = "127.0.0.1"
[[device]]
id = "one"
line = "net"
driver = "modbus"
profile = "demo-meter-3p"
periods = { frequency = 0.5 }
[[device]]
id = "two"
line = "net"
driver = "modbus"
profile = "demo-meter-3p"
unit = 2
enabled = false
"""

RUN = """\
import os, signal, sys, time
from pathlib import Path
from gateway.model.errors import ConfigError
from gateway.plugins.apart import Apart, SiteApart
from gateway.plugins.handing import NotHandedError

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def broken():
    raise RuntimeError("on purpose")

def silent():
    os._exit(0)

def large():
    return bytes(1 << 20)

what = sys.argv[1]
try:
    if what == "site":
        assembly = SiteApart(Path(sys.argv[2])).assembly()
        print(assembly.devices[0].id, len(assembly.devices[0].prepared.map.points))
        print(sorted({"pydantic_core", "tomllib", "importlib.metadata"} & set(sys.modules)))
    else:
        if what == "deaf":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            what = "killed"
        print(len(Apart(globals()[what]).answer()))
except ConfigError as error:
    print(*error.mistakes, sep="\\n")
except NotHandedError as error:
    print(error)
"""
"""Run in a process of its own: it forks."""


PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
"""Without what measures coverage: it loads a lot itself, and opens files."""


def run(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return what it says on standard output and on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=Path(__file__).parents[2],
        env=env,
    )
    return done.stdout, done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE, encoding="utf-8")
    return file


def test_a_site_comes_over_and_what_checked_it_does_not(site: Path) -> None:
    said, trouble = run("site", str(site), env=PLAIN)
    assert said.splitlines() == ["one 18", "[]"]
    assert trouble == ""


def test_all_mistakes_come_over(site: Path) -> None:
    text = SITE.replace("unit = 2", "unti = 2").replace('host = "127.0.0.1"', "host = 1")
    site.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        assemble_file(site)
    assert len(caught.value.mistakes) == 2
    said, trouble = run("site", str(site))
    assert said.splitlines() == [str(mistake) for mistake in caught.value.mistakes]
    assert trouble == ""


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("killed", "was killed by SIGKILL"),
        ("deaf", "ended before it was done"),
        ("broken", "ended with exit code 1"),
        ("silent", "ended with exit code 0"),
    ],
)
def test_a_child_that_ends_without_an_answer_is_told_and_not_waited_for(
    what: str, how: str
) -> None:
    said, trouble = run(what)
    assert said == f"the process that reads the site file {how}\n"
    assert ("on purpose" in trouble) is (what == "broken")


def test_an_answer_larger_than_a_pipe_holds_comes_over_whole() -> None:
    assert run("large")[0] == f"{1 << 20}\n"


def test_a_site_is_the_same_when_it_has_been_handed_over(site: Path) -> None:
    catalogue = Catalogue.installed()
    assembly = assemble_file(site, catalogue)
    handed = unpack(pack(assembly, places(assembly, catalogue)))
    assert handed == assembly
    (one,), (two,) = handed.devices, handed.resting
    assert one.manifest is Place("drivers.modbus.driver:MANIFEST")()
    assert one.prepared.map is two.prepared.map, "devices of one model share its register map"


def test_what_is_no_site_is_refused() -> None:
    with pytest.raises(NotHandedError, match="got list"):
        unpack(pickle.dumps([1]))
    assert issubclass(NotHandedError, GatewayError)


def test_nothing_is_left_of_the_child() -> None:
    code = (
        "import os\nfrom gateway.plugins.apart import Apart\nApart(lambda: b'x').answer()\n"
        "try:\n    os.wait()\nexcept ChildProcessError:\n"
        "    print(len(os.listdir('/proc/self/fd')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).parents[2],
        env=PLAIN,
    )
    assert done.stdout == "4\n", "standard streams and the folder that is being listed"
