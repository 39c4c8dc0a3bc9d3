"""`mayak run SITE.toml`: the agent.

Light: no terminal library is loaded, and what checks the site file works in a child process. The
rest of the agent is imported while the child is at it, hence inside of `main`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.plugins.apart import SiteApart


def main(argv: Sequence[str]) -> int:
    """Run the agent of a site."""
    parser = argparse.ArgumentParser(prog="mayak run", description="Run the agent of a site.")
    parser.add_argument("site", type=Path, metavar="SITE.toml", help="the site file")
    parser.add_argument(
        "--log", choices=("json", "text"), default="json", help="form of the log on standard error"
    )
    options = parser.parse_args(argv)
    apart = SiteApart(options.site)
    import asyncio  # noqa: PLC0415 - see above, here and below

    from gateway.app import run_agent  # noqa: PLC0415
    from gateway.health import logs  # noqa: PLC0415
    from gateway.model.clock import SystemClock  # noqa: PLC0415

    assembly = apart.assembly()
    writing = logs.set_up(sys.stderr, options.log)
    try:
        asyncio.run(run_agent(assembly, SystemClock(), lambda: writing.dropped))
    finally:
        writing.stop()
    return os.EX_OK
