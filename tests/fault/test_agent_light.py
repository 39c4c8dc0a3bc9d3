"""What the running agent has loaded: nothing that is needed once, or by other commands only."""

from __future__ import annotations

from pathlib import Path

from provisioning.authority import Authority
from tests.running_agent import Agent, cabinet

TELL = """\
import atexit, os, pathlib, sys
atexit.register(lambda: pathlib.Path(os.environ["LOADED"]).write_text("\\n".join(sys.modules)))
"""
"""As `sitecustomize`: at the end of the agent, what was loaded. The child that checks the site ends
without this."""

HEAVY = (
    "annotated_types",
    "argparse",
    "bz2",
    "difflib",
    "http.client",
    "lzma",
    "importlib.metadata",
    "importlib.resources",
    "multiprocessing",
    "pydantic",
    "pydantic_core",
    "rich",
    "sqlite_utils",
    "tomllib",
    "typer",
    "typing_extensions",
    "zipfile",
)


def mapped(agent: Agent) -> str:
    """Return the files that lie in the agent's memory."""
    return Path(f"/proc/{agent.process.pid}/maps").read_text(encoding="utf-8")


async def test_what_checks_a_site_is_not_loaded_by_the_agent_that_runs_it(
    tmp_path: Path, authority: Authority
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL, encoding="utf-8")
    loaded = tmp_path / "loaded.txt"
    environ = {
        "PYTHONPATH": str(tmp_path),
        "LOADED": str(loaded),
        "COVERAGE_PROCESS_START": "",  # what measures coverage loads much of this itself
        "COVERAGE_PROCESS_CONFIG": "",
    }
    async with cabinet(tmp_path, authority) as site, site.agent(environ) as agent:
        await agent.until_reads()
        files = mapped(agent)
        assert await agent.stop() == 0
    modules = set(loaded.read_text(encoding="utf-8").split())
    assert {"gateway.app", "drivers.modbus.driver", "drivers.media.serial_line"} <= modules
    assert sorted(modules & set(HEAVY)) == []
    assert "_rust" in files, "libraries are named in these maps"
    assert "_pydantic_core" not in files
    checking = {"gateway.config.checking", "gateway.plugins.assembling", "drivers.modbus.profile"}
    assert sorted(modules & checking) == []
