"""`mayak sim`: play scenes, list faults, stand between two programs as a bad link."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tomllib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.live import Live

from gateway.model.files import durable_write
from simulators.durations import seconds
from simulators.faults import catalogue
from simulators.lines.listening import nursery
from simulators.lines.proxy import LinkProxy, Pass, link_proxy
from simulators.load import as_toml, load_scene_of
from simulators.orders import (
    OrderError,
    carry_out,
    listen_to_stdin,
    read_mode_order,
    read_order,
)
from simulators.running import Running, run_scene
from simulators.scene import Scene, SceneError, load_scene
from simulators.show import faults_view, link_state, scene_view

EX_CONFIG: Final = 78
"""The scene or an argument cannot be used (sysexits)."""
_REDRAW_S: Final = 0.5
_JSON_EVERY_S: Final = 1.0
ORDERS: Final = 64
"""Orders that may wait for a link; one more is left out with a message."""

app = typer.Typer(
    help="Twins of devices, faults as data, and links that go bad.", no_args_is_help=True
)
out = Console()
err = Console(stderr=True)


def endpoint(text: str) -> tuple[str, int]:
    """Return HOST:PORT as a pair.

    Raises:
        typer.BadParameter: it is none.
    """
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 0x10000):  # noqa: PLR2004
        msg = f"{text!r} is not HOST:PORT"
        raise typer.BadParameter(msg)
    return host.strip("[]"), int(port)


For = Annotated[
    float | None,
    typer.Option("--for", parser=seconds, metavar="DURATION", help="end after that: 30s, 2m"),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object a second on standard output")]
Ready = Annotated[
    Path | None, typer.Option(help="write addresses here as JSON once everything is up")
]


@app.command()
def run(
    scene: Annotated[str, typer.Argument(help="name of a packaged scene, or a TOML file")],
    for_s: For = None,
    truth: Annotated[
        Path | None, typer.Option(help="write every number the twins serve, as JSON lines")
    ] = None,
    ready: Ready = None,
    as_json: Json = False,
) -> None:
    """Play a scene until it is told to end. Faults come as JSON lines on standard input."""
    try:
        played = load_scene(scene)
    except SceneError as error:
        _refuse(*error.mistakes)
    _start(lambda: _play(played, for_s, truth, ready, _nothing_more, as_json=as_json))


@app.command()
def faults(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """List what can go wrong with a twin."""
    if as_json:
        print(json.dumps(catalogue(), ensure_ascii=False))
    else:
        out.print(faults_view())


@app.command()
def load(
    devices: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    registers: Annotated[int, typer.Option(min=1, max=10_000, help="of each device")] = 50,
    separate: Annotated[bool, typer.Option("--separate", help="a port for each device")] = False,
    refresh_s: Annotated[float, typer.Option(min=0.01, max=3600)] = 1.0,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Print a load scene: many devices with many registers that all move."""
    try:
        scene = load_scene_of(devices, registers, separate=separate, refresh_s=refresh_s, seed=seed)
    except ValueError as error:
        _refuse(str(error))
    print(as_toml(scene), end="")


@app.command()
def proxy(
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="target")],
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="port 0: the system chooses")
    ] = "127.0.0.1:0",
    for_s: For = None,
    ready: Ready = None,
    as_json: Json = False,
) -> None:
    """Stand in front of a broker or a device. Modes come as JSON lines on standard input."""
    ends = endpoint(listen), endpoint(to)
    _start(lambda: _link(*ends, for_s, ready, as_json=as_json))


@app.command()
def record(
    site: Annotated[Path, typer.Argument(help="the site file", exists=True, dir_okay=False)],
    out_file: Annotated[Path, typer.Option("--out", help="the recording")] = Path("site.tape"),
    for_s: For = None,
) -> None:
    """Record what goes over the lines of a site, through its running agent; Ctrl+C ends it."""
    from simulators.recording.cli import record as take  # noqa: PLC0415 - not for the others

    try:
        whole = asyncio.run(take(site, out_file, for_s, out))
    except (OSError, tomllib.TOMLDecodeError) as error:
        _refuse(f"{site}: {error}")
    raise typer.Exit(0 if whole else 1)


@app.command()
def replay(
    tape: Annotated[Path, typer.Argument(help="the recording", exists=True, dir_okay=False)],
    site: Annotated[
        Path | None,
        typer.Option(help="write lines and devices of a site file that reads it here"),
    ] = None,
    for_s: For = None,
    ready: Ready = None,
    as_json: Json = False,
) -> None:
    """Serve a recording back: each line answers as it did then."""
    from simulators.recording.cli import scene_of, write_site  # noqa: PLC0415 - likewise
    from simulators.recording.tape import TapeError, read_tape  # noqa: PLC0415 - likewise

    try:
        with tape.open(encoding="utf-8") as text:
            found = read_tape(text, str(tape))
        scene = scene_of(found, tape)
    except (TapeError, ValueError, OSError) as error:
        _refuse(str(error))

    def up(running: Running) -> None:
        if site is not None:
            write_site(found, running, site)

    _start(lambda: _play(scene, for_s, None, ready, up, as_json=as_json))


def _refuse(*sentences: str) -> NoReturn:
    for sentence in sentences:
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(EX_CONFIG)


def _start(work: Callable[[], Coroutine[None, None, None]]) -> None:
    try:
        asyncio.run(work())
    except OSError as error:
        err.print(f"{error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _stopped() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set: the end is then a clean one."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _nothing_more(_running: Running) -> None:
    """Have nothing else to do once everything is up."""


async def _play(
    scene: Scene,
    for_s: float | None,
    truth: Path | None,
    ready: Path | None,
    up: Callable[[Running], None],
    *,
    as_json: bool,
) -> None:
    stop, loop = _stopped(), asyncio.get_running_loop()
    async with run_scene(scene, truth=truth) as running:
        began = loop.time()
        up(running)
        if ready is not None:
            told = {"pid": os.getpid(), **running.snapshot()}
            durable_write(ready, json.dumps(told).encode())
        listen_to_stdin(loop, lambda line: _order(line, running))
        if as_json:
            await _repeat(stop, for_s, _JSON_EVERY_S, lambda: _print(running.snapshot()))
            return
        if not out.is_terminal:
            out.print(scene_view(running, 0.0))
            await _repeat(stop, for_s, _REDRAW_S, lambda: None)
            out.print(scene_view(running, loop.time() - began))
            return
        with Live(console=out, auto_refresh=False) as live:
            await _repeat(
                stop,
                for_s,
                _REDRAW_S,
                lambda: live.update(scene_view(running, loop.time() - began), refresh=True),
            )


def _order(line: str, running: Running) -> None:
    try:
        carry_out(read_order(line), running)
    except OrderError as error:
        err.print(f"{error}", markup=False, highlight=False, soft_wrap=True)


async def _link(
    listen: tuple[str, int],
    to: tuple[str, int],
    for_s: float | None,
    ready: Path | None,
    *,
    as_json: bool,
) -> None:
    stop, loop = _stopped(), asyncio.get_running_loop()
    orders: asyncio.Queue[str] = asyncio.Queue(ORDERS)
    async with link_proxy(to, host=listen[0], port=listen[1]) as link:
        address = {"host": link.host, "port": link.port}
        if ready is not None:
            durable_write(ready, json.dumps({"pid": os.getpid(), **address}).encode())
        if not as_json:
            out.print(f"{link.host}:{link.port} leads to {to[0]}:{to[1]}", highlight=False)
        listen_to_stdin(loop, lambda line: _queue(orders, line))
        async with nursery() as tasks:
            obeying = tasks.create_task(_obey_modes(orders, link, as_json=as_json), name="modes")
            show = (lambda: _print({**address, **link_state(link)})) if as_json else _nothing
            await _repeat(stop, for_s, _JSON_EVERY_S, show)
            obeying.cancel()


def _queue(orders: asyncio.Queue[str], line: str) -> None:
    if orders.full():
        err.print("too many orders at once, this one is left out", markup=False)
    else:
        orders.put_nowait(line)


async def _obey_modes(orders: asyncio.Queue[str], link: LinkProxy, *, as_json: bool) -> None:
    """Set the modes that come, and let everything pass again when their time is over."""
    loop = asyncio.get_running_loop()
    until: float | None = None
    while True:
        try:
            async with asyncio.timeout_at(until):
                line = await orders.get()
            mode, for_s = read_mode_order(line)
            until = None if for_s is None else loop.time() + for_s
        except TimeoutError:
            mode, until = Pass(), None
        except OrderError as error:
            err.print(f"{error}", markup=False, highlight=False, soft_wrap=True)
            continue
        await link.set_mode(mode)
        if not as_json:
            out.print(f"{mode.name}", highlight=False)


def _print(told: Mapping[str, object]) -> None:
    print(json.dumps(told), flush=True)


def _nothing() -> None:
    """Show nothing."""


async def _repeat(
    stop: asyncio.Event, for_s: float | None, every_s: float, show: Callable[[], None]
) -> None:
    """Call `show` now, regularly, and at the end, until `stop` or after `for_s` seconds."""
    loop = asyncio.get_running_loop()
    end = None if for_s is None else loop.time() + for_s
    due = loop.time()
    while not stop.is_set() and (end is None or loop.time() < end):
        show()
        due += every_s
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due if end is None else min(due, end)):
                await stop.wait()
    show()
