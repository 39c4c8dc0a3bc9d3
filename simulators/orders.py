"""What can be told to a running scene or link, one JSON object a line."""

from __future__ import annotations

import json
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from simulators.faults import FAULTS, FaultError
from simulators.lines.proxy import Mode, read_mode
from simulators.running import Running
from simulators.scene import FaultSpec
from simulators.sentences import sentences

LONGEST_LINE: Final = 65_536
_STRICT: Final = ConfigDict(extra="forbid", frozen=True)


class OrderError(ValueError):
    """An order that cannot be carried out; the sentence says why."""


class Clear(BaseModel):
    """End faults of a twin now."""

    model_config = _STRICT

    twin: str
    clear: str = Field(description="name of a fault, or all")


class Unplug(BaseModel):
    """Pull the adapter of a serial line out."""

    model_config = _STRICT

    unplug: str = Field(description="id of the line")
    for_s: Annotated[float, Field(ge=0, le=1_000_000)] | None = None


class Plug(BaseModel):
    """Plug the adapter of a serial line in."""

    model_config = _STRICT

    plug: str = Field(description="id of the line")


Order = FaultSpec | Clear | Unplug | Plug


def _object(line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON: {line[:80]!r}"
        raise OrderError(msg) from error
    if not isinstance(found, dict):
        msg = f"not a JSON object: {line[:80]!r}"
        raise OrderError(msg)
    return found


def read_order(line: str) -> Order:
    """Return what a line asks of a scene.

    Raises:
        OrderError: it is no order; the sentence says why.
    """
    found = _object(line)
    kinds: dict[str, type[Order]] = {
        "fault": FaultSpec,
        "clear": Clear,
        "unplug": Unplug,
        "plug": Plug,
    }
    kind = next((kinds[key] for key in kinds if key in found), None)
    if kind is None:
        msg = f"an order has one of: {', '.join(kinds)}"
        raise OrderError(msg)
    try:
        return TypeAdapter[Order](kind).validate_python(found)
    except ValidationError as error:
        raise OrderError("; ".join(sentences(error))) from error


def carry_out(order: Order, running: Running) -> None:
    """Do what an order says; a fault with a later `at_s` begins then.

    Raises:
        OrderError: there is no such twin or line, or the fault does not apply to it.
    """
    try:
        match order:
            case FaultSpec():
                running.plan(order)
            case Clear():
                if order.clear != "all" and order.clear not in FAULTS:
                    msg = f"no fault {order.clear!r}"
                    raise OrderError(msg)
                running.clear(order.twin, None if order.clear == "all" else order.clear)
            case Unplug():
                running.unplug(order.unplug, order.for_s)
            case Plug():
                running.plug(order.plug)
    except FaultError as error:
        raise OrderError(str(error)) from error


def read_mode_order(line: str) -> tuple[Mode, float | None]:
    """Return the mode a line asks of a link, and for how many seconds (None: until the next).

    Raises:
        OrderError: it is no such order.
    """
    found = _object(line)
    name, for_s = found.pop("mode", None), found.pop("for_s", None)
    if not isinstance(name, str):
        msg = 'an order has a mode: {"mode": "cut"}'
        raise OrderError(msg)
    if for_s is not None and not (isinstance(for_s, int | float) and 0 <= for_s <= 1e6):  # noqa: PLR2004
        msg = f"for_s should be seconds, found {for_s!r}"
        raise OrderError(msg)
    try:
        return read_mode(name, found), None if for_s is None else float(for_s)
    except ValueError as error:
        raise OrderError(str(error)) from error


def listen_to_stdin(loop: AbstractEventLoop, heard: Callable[[str], None]) -> None:
    """Call `heard` on the loop with each line that comes on standard input.

    A terminal is left alone: a program in its background that reads it would be stopped. A thread
    reads, because standard input may be a file, which no event loop can wait for; it does nothing
    but hand over, and ends with the program.
    """
    if os.isatty(0):
        return
    thread = threading.Thread(target=_read_lines, args=(loop, heard), daemon=True, name="stdin")
    thread.start()


def _read_lines(loop: AbstractEventLoop, heard: Callable[[str], None]) -> None:
    rest = b""
    while True:
        try:
            piece = os.read(0, 4096)
        except OSError:
            return  # standard input is closed: no more orders come
        rest += piece
        *lines, rest = rest.split(b"\n")
        if not piece or len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if line.strip():
                try:
                    loop.call_soon_threadsafe(heard, line.decode("utf-8", "replace"))
                except RuntimeError:
                    return  # the loop has ended meanwhile
        if not piece:
            return
