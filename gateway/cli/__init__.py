"""`mayak`: finds the sub-command, loads that one and no other.

Those of the gateway itself stand in a table here: to look up entry points costs the agent memory it
never gives back. All others come by entry point under `gateway.commands`. Either names a Typer app,
or a plain function that takes the arguments and returns the exit code (for what must start light).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Final

from gateway import __version__
from gateway.model.errors import ConfigError, GatewayError
from gateway.plugins.places import Place

GROUP: Final = "gateway.commands"
OURS: Final[Mapping[str, Callable[[], object]]] = {
    "run": Place("gateway.cli.run:main"),
    "check": Place("gateway.cli.check:check"),
    "config": Place("gateway.cli.check:config"),
    "doctor": Place("gateway.cli.doctor:doctor"),
    "read": Place("gateway.cli.device:read"),
    "write": Place("gateway.cli.device:write"),
    "scan": Place("gateway.cli.scan:scan"),
    "store": Place("gateway.cli.store:app"),
    "tap": Place("gateway.cli.tap:tap"),
}
"""Loaders of the gateway's own commands."""
EX_USAGE: Final = 64
EX_UNAVAILABLE: Final = 69
EX_INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit code; 0 only for success."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    match arguments:
        case [] | ["-h" | "--help" | "help"]:
            return _run("help", lambda _arguments: _list(_known()), [])
        case ["-V" | "--version"]:
            sys.stdout.write(f"mayak {__version__}\n")
            return os.EX_OK
        case [name, *rest] if name in OURS:
            return _run(name, OURS[name](), rest)
        case [name, *rest]:
            known = _known()
            if name in known:
                return _run(name, known[name](), rest)
            _say_unknown(name, known)
    return EX_USAGE


def _known() -> dict[str, Callable[[], object]]:
    """Return the loaders of all commands, ours and others."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - not in the agent

    others: dict[str, Callable[[], object]] = {
        entry.name: entry.load for entry in entry_points(group=GROUP)
    }
    return {**others, **OURS}


def _say_unknown(name: str, known: Mapping[str, object]) -> None:
    from difflib import get_close_matches  # noqa: PLC0415 - not in the agent

    near = get_close_matches(name, known)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    sys.stderr.write(f"mayak: there is no command {name!r}.{hint} See: mayak --help\n")


def _run(name: str, command: object, arguments: list[str]) -> int:
    try:
        if isinstance(command, FunctionType):
            code = int(command(arguments))
        else:
            code = _run_typer(name, command, arguments)
        sys.stdout.flush()
    except ConfigError as error:
        for mistake in error.mistakes:
            sys.stderr.write(f"{mistake}\n")
        return os.EX_CONFIG
    except GatewayError as error:
        sys.stderr.write(f"mayak {name}: {error}\n")
        return EX_UNAVAILABLE
    except BrokenPipeError:
        # Whoever read our output went away: nothing is left to say, and stdout must not be
        # flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_UNAVAILABLE
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    return code


def _run_typer(name: str, app: object, arguments: list[str]) -> int:
    import typer  # noqa: PLC0415  # loaded only for commands that use it: `mayak run` does not

    if not isinstance(app, typer.Typer):
        msg = f"the entry point {name} names neither a function nor a Typer app"
        raise TypeError(msg)
    try:
        typer.main.get_command(app).main(arguments, prog_name=f"mayak {name}")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return os.EX_OK


def _list(known: Mapping[str, Callable[[], object]]) -> int:
    sys.stdout.write("mayak: the edge gateway of a smart city\n\nmayak COMMAND [...]\n\n")
    for name, load in sorted(known.items()):
        sys.stdout.write(f"  {name:10} {_summary(load())}\n")
    sys.stdout.write("\nmayak COMMAND --help says more of each.\n")
    return os.EX_OK


def _summary(command: object) -> str:
    text = getattr(getattr(command, "info", None), "help", None)
    if not isinstance(text, str):
        registered: list[Callable[..., object]] = [
            each.callback for each in getattr(command, "registered_commands", ()) if each.callback
        ]
        text = (registered[0] if len(registered) == 1 else command).__doc__ or ""
    return text.strip().splitlines()[0] if text.strip() else ""
