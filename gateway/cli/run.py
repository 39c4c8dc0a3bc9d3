"""`mayak run SITE.toml`: the agent.

Light: no terminal library is loaded, and what checks the site file works in a child process. The
rest of the agent is imported while the child is at it, hence inside of `_run`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from getopt import GetoptError, gnu_getopt
from pathlib import Path
from typing import Final, Literal, cast

from gateway.cli.lean import one_heap, when_used
from gateway.plugins.apart import SiteApart

Form = Literal["json", "text"]
FORMS: Final = ("json", "text")
SELDOM: Final = ("shutil", "urllib.request")
"""What libraries and rooms import for a TPM or for proxies: archives, an HTTP client, mail."""
HELP: Final = """\
usage: mayak run [--log json|text] SITE.toml

Run the agent of a site until SIGTERM or an interrupt.

  --log json|text  form of the log on standard error (json)
"""


def main(argv: Sequence[str]) -> int:
    """Run the agent of a site."""
    try:
        options, files = gnu_getopt(list(argv), "h", ["help", "log="])
    except GetoptError as error:
        return _usage(str(error))
    given = dict(options)
    if {"-h", "--help"} & given.keys():
        sys.stdout.write(HELP)
        return os.EX_OK
    form = given.get("--log", "json")
    if form not in FORMS:
        return _usage(f"--log is json or text, not {form!r}")
    if len(files) != 1:
        return _usage("name one site file")
    return _run(Path(files[0]), cast("Form", form))


def _usage(what: str) -> int:
    sys.stderr.write(f"mayak run: {what}\n{HELP}")
    return os.EX_USAGE


def _run(site: Path, form: Form) -> int:
    apart = SiteApart(site)
    one_heap()
    for module in SELDOM:
        when_used(module)
    import asyncio  # noqa: PLC0415 - see above, here and below

    from gateway.app import run_agent  # noqa: PLC0415
    from gateway.health import logs  # noqa: PLC0415
    from gateway.model.clock import SystemClock  # noqa: PLC0415

    assembly = apart.assembly()
    writing = logs.set_up(sys.stderr, form)
    try:
        asyncio.run(run_agent(assembly, SystemClock(), lambda: writing.dropped))
    finally:
        writing.stop()
    return os.EX_OK
