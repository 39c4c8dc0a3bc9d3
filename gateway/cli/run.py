"""`mayak run SITE.toml`: the agent. Light: no terminal library is loaded."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.app import run_agent
from gateway.config.loading import read
from gateway.health import logs
from gateway.model.clock import SystemClock
from gateway.plugins import assemble


def main(argv: Sequence[str]) -> int:
    """Run the agent of a site."""
    parser = argparse.ArgumentParser(prog="mayak run", description="Run the agent of a site.")
    parser.add_argument("site", type=Path, metavar="SITE.toml", help="the site file")
    parser.add_argument(
        "--log", choices=("json", "text"), default="json", help="form of the log on standard error"
    )
    options = parser.parse_args(argv)
    assembly = assemble(read(options.site))
    writing = logs.set_up(sys.stderr, options.log)
    try:
        asyncio.run(run_agent(assembly, SystemClock(), lambda: writing.dropped))
    finally:
        writing.stop()
    return os.EX_OK
