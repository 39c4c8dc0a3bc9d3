"""Each target stands a short run of atheris; `make fuzz` runs them for long."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

TARGETS = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not made for this machine")
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_stands(target: str, tmp_path: Path) -> None:
    name = target.removeprefix("fuzz_")
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz",
            name,
            "--runs",
            "4000",
            f"-artifact_prefix={tmp_path}/",
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]
    assert f"{name}: stands" in ended.stdout


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.binary(max_size=200))
def test_a_target_takes_any_bytes(target: str, data: bytes) -> None:
    import_module(f"tests.fuzz.{target}").one(data)
