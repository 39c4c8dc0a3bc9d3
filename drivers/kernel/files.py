"""The medium `kernel`: files of the kernel, read in threads because a read may block.

A read of a 1-Wire thermometer takes as long as its conversion, one of a chip that hangs for ever.
Each device has a thread of its own; while that is blocked the device is not read again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, TypeVar

from drivers.media.port import Statistics
from drivers.media.worker import BlockedError, Worker
from gateway.model.driver import MediumManifest
from gateway.model.errors import BusUnavailableError, DeviceError, NoResponseError
from gateway.model.ids import LineId
from gateway.model.options import About, Limits, Options

T = TypeVar("T")

LONGEST_FILE: Final = 4096
"""No file of the kernel with a value is longer: it is one page at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelConfig(Options):
    """Options of a line of kernel files."""

    root: Annotated[str, Limits(min_length=1), About("where the tree of devices is mounted")] = (
        "/sys"
    )


class KernelFiles:
    """The files of all devices of one tree."""

    medium: ClassVar[str] = "kernel"

    def __init__(self, line_id: LineId, config: KernelConfig) -> None:
        """Take the settings; opens nothing."""
        self._id: Final = line_id
        self._root: Final = Path(config.root)
        self._statistics: Final = Statistics()
        self._workers: Final[dict[str, Worker]] = {}
        self._shared: Final[dict[type[Any], Any]] = {}  # Any: one object of each type

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    @property
    def statistics(self) -> Statistics:
        """Return the counters of this line."""
        return self._statistics

    @property
    def root(self) -> Path:
        """Return where the tree is."""
        return self._root

    def shared(self, kind: type[T]) -> T:
        """Return the one object of a type that the devices of this line share; made when needed."""
        if kind not in self._shared:
            self._shared[kind] = kind()
        made: T = self._shared[kind]
        return made

    async def open(self) -> None:
        """See that the tree is there; there is nothing to open.

        Raises:
            BusUnavailableError: it is not.
        """
        reason = _missing(self._root)
        if reason is not None:
            msg = f"line {self._id}: {reason}"
            raise BusUnavailableError(msg)

    async def close(self) -> None:
        """Let the threads end; those that are blocked end with the program."""
        for worker in self._workers.values():
            worker.close()

    async def ask(self, device: str, work: Callable[[Path], T], timeout_s: float) -> T:
        """Return what `work` makes of the tree, done in the thread of one device.

        Args:
            device: whose thread.
            work: is handed the root; may block; raises a DeviceError or an OSError.
            timeout_s: after which it is given up.

        Raises:
            NoResponseError: it took too long, a file is not there or cannot be read.
            BusUnavailableError: the whole tree is gone.
            DeviceError: what `work` raises.
        """
        worker = self._workers.setdefault(device, Worker(f"kernel:{device}", most_blocked=1))
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._statistics.exchanges += 1
        try:
            return await worker.call(lambda: work(self._root), timeout_s)
        except BlockedError as error:
            self._statistics.errors += 1
            msg = f"{device}: the kernel is still blocked by an earlier read"
            raise NoResponseError(msg) from error
        except TimeoutError as error:
            self._statistics.errors += 1
            msg = f"{device}: the kernel has not answered for {timeout_s:g} s"
            raise NoResponseError(msg) from error
        except OSError as error:
            self._statistics.errors += 1
            await self.open()
            msg = f"{device}: {error.filename or 'a file'}: {error.strerror or error}"
            raise NoResponseError(msg) from error
        except DeviceError:
            self._statistics.errors += 1
            raise
        finally:
            self._statistics.busy_s += loop.time() - began


def read_file(path: Path) -> bytes:
    """Return a file of the kernel in one read; may block.

    Raises:
        OSError: it is not there, or the device behind it failed. Its `filename` is set.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(file, LONGEST_FILE)
        finally:
            os.close(file)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_file(path: Path, text: bytes) -> None:
    """Write a file of the kernel in one write; may block.

    Raises:
        OSError: it is not there, may not be written, or what is written is refused.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(file, text)
        finally:
            os.close(file)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _missing(root: Path) -> str | None:
    return None if root.is_dir() else f"{root} is not there: is it mounted?"


def _resource(config: KernelConfig) -> Hashable:
    # Reading a file keeps nobody else from reading it: no two lines exclude one another.
    return (config.root, id(config))


def _probe(config: KernelConfig) -> str | None:
    return _missing(Path(config.root))


MANIFEST: Final = MediumManifest(
    name="kernel", config=KernelConfig, build=KernelFiles, resource=_resource, probe=_probe
)
