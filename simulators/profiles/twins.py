"""Twins made from profiles, each behind a TCP port of this machine: by protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.model.clock import SystemClock
from simulators.modbus.profile.device import ProfileDevice
from simulators.modbus.profile.reader import read_plan
from simulators.modbus.servers import TcpLine
from simulators.modbus.twin import ModbusTwin
from simulators.truth import TruthJournal

Serve = Callable[[Path, int], AbstractAsyncContextManager[tuple[str, int]]]
"""Serves a twin of a profile that holds its test vector number N (from 0); gives host and port.
Raises ValueError when no twin can be made of the file."""


@asynccontextmanager
async def modbus(path: Path, vector: int) -> AsyncIterator[tuple[str, int]]:
    """Serve a Modbus twin over Modbus TCP.

    Raises:
        ValueError: no twin can be made of the profile.
    """
    device = ProfileDevice(read_plan(path), vector=vector + 1)
    line = TcpLine("127.0.0.1", 0)
    with TruthJournal(SystemClock(), None) as truth:
        line.join(ModbusTwin(path.stem, 1, device, truth))
        await line.open()
        try:
            yield line.host, line.port
        finally:
            line.retire()


TWINS: Final[Mapping[str, Serve]] = {"modbus": modbus}
"""By protocol; a family with twins by profile adds its own."""
