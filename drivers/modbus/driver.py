"""A Modbus device by profile: reads what is due with few requests, writes with proof.

Source: MODBUS Application Protocol Specification V1.1b3, 6 (functions) and 7 (exception codes).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from typing import Any, Final

from drivers.media.framing import ByteLine
from drivers.modbus.codec import compile_decoder
from drivers.modbus.config import ModbusConfig, ModbusDevice, poll_groups, prepare
from drivers.modbus.encode import as_bool, encode_value, merge_bits
from drivers.modbus.fields import MappedPoint, Span
from drivers.modbus.plan import Limits, Lore, Read, seam_between, split
from drivers.modbus.reads import CompiledGroup, Gathered, compile_group
from drivers.modbus.refusal import (
    FAULTS,
    ILLEGAL_FUNCTION,
    raise_for_read,
    raise_for_write,
    whole_refusal,
)
from drivers.telegrams.modbus import Question, Speech
from gateway.model.discovery import Looked, Scope, State
from gateway.model.driver import Manifest, PollGroup, Priority
from gateway.model.errors import CommandRefusedError, NoResponseError
from gateway.model.ids import PointId
from gateway.model.reading import Sample, Value

LAST_UNIT: Final = 247
"""The last address of a device on a serial line (MODBUS over Serial Line V1.02, 2.2)."""
ASK_AGAIN_POLLS: Final = 3600
"""So many polls after a refusal the device is asked again whether it still refuses."""
FAULT_AGAIN_POLLS: Final = 30
"""The same for a point that the device called broken."""


class Modbus:
    """One device. A `PolledDriver`, a `CommandableDriver` and a `RememberingDriver`.

    What the device refuses is no failure of the link: a read of several points is taken apart until
    what can be had is had, and where it may not be put together again is kept (`Lore.seams`). A
    point that is refused alone is BAD, and is asked again when the line has been opened anew or
    after a long time. A device that refuses everything is asked for one point each time; as soon as
    that is given, all are asked.
    """

    def __init__(self, device: ModbusDevice, line: ByteLine) -> None:
        """Take the options of the device with its register map, and the line it is on.

        Raises:
            ValueError: the unit identifier or the framing does not go with this kind of line.
        """
        config = device.options
        self._config: Final = config
        self._characters: Final = config.characters
        self._map: Final = device.map
        self._line: Final = line
        mbap = config.framing == "mbap" or (config.framing == "auto" and line.medium == "tcp")
        if mbap and line.medium != "tcp":
            msg = f"framing mbap does not go over a {line.medium} line: use rtu or auto"
            raise ValueError(msg)
        if not mbap and not 1 <= config.unit <= LAST_UNIT:
            msg = f"unit {config.unit} is no address on a serial line: use 1 to 247"
            raise ValueError(msg)
        self._speech: Final = Speech(config.unit, mbap=mbap)
        limits = device.map.limits
        self._limits: Final = Limits(
            max_registers=config.max_registers or limits.max_registers,
            max_bits=limits.max_bits,
            max_gap=limits.max_gap if config.max_gap is None else config.max_gap,
            never=limits.never,
        )
        self._groups: Final = poll_groups(device)
        self._lore: Final = Lore()
        self._compiled: Final[dict[PollGroup, CompiledGroup]] = {}
        self._writing: Final = asyncio.Lock()
        self._generation = line.generation
        self._polls_since_refusal = 0
        self._probes = 0
        self._learned = False

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the poll groups; together they name every point of the profile once."""
        return self._groups

    @property
    def reads(self) -> Mapping[str, Sequence[Span]]:
        """Return what is asked for in each group, as it is planned now: for people."""
        return {
            group.name: [compiled.read.span for compiled in self._plan(group).reads]
            for group in self._groups
        }

    # Reading

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for one group, once.

        Raises:
            NoResponseError: no answer, or the device or the gateway before it says that it is busy.
            FrameError: what came is no answer to what was asked.
            DeviceRejectedError: all of the group is refused.
            DeviceFaultError: the device says of all of the group that it is broken.
            BusUnavailableError: the line is gone.
        """
        self._forget_when_due()
        compiled = self._plan(group)
        if not compiled.reads:
            await self._probe(compiled)
            compiled = self._plan(group)
        gathered = Gathered(compiled)
        for read in compiled.reads:
            frame = await self._ask(read.question, Priority.POLL)
            code = read.question.refusal(frame)
            if code is None:
                gathered.take(read, frame)
                continue
            try:
                await self._take_apart(read.read, code, gathered)
            finally:
                self._compiled.clear()
        sample = gathered.sample()
        if gathered.refused == len(group.table):
            raise whole_refusal(
                self._lore, compiled.spans, f"unit {self._config.unit}, group {group.name}"
            )
        return sample

    async def _ask(self, question: Question, priority: Priority) -> bytes:
        request, answer = question.ask()
        return await self._line.exchange(
            request,
            answer,
            timeout_s=self._config.response_timeout_s,
            priority=priority,
            characters=self._characters,
        )

    async def _take_apart(self, read: Read, code: int, gathered: Gathered) -> None:
        """Get what can be got of a read that was refused, and learn where it must stay apart."""
        raise_for_read(code, f"unit {self._config.unit}, read {read.span}")
        halves = split(read) if code != ILLEGAL_FUNCTION else None
        if halves is None:
            self._refused(read, code, gathered)
            return
        given = [await self._try(half, gathered) for half in halves]
        if not all(given):
            return
        # Asked once more, so that a passing fault teaches nothing.
        question = self._speech.read(read.span)
        if question.refusal(await self._ask(question, Priority.POLL)) is not None:
            self._lore.seams.add(seam_between(*halves))
            self._learned = True

    async def _try(self, read: Read, gathered: Gathered) -> bool:
        """Ask for a part of a refused read, taken apart in turn; say whether it was given whole."""
        compiled = gathered.compiled.compile(read, self._speech)
        frame = await self._ask(compiled.question, Priority.POLL)
        code = compiled.question.refusal(frame)
        if code is None:
            gathered.take(compiled, frame)
            return True
        await self._take_apart(read, code, gathered)
        return False

    def _refused(self, read: Read, code: int, gathered: Gathered) -> None:
        for part in read.parts:
            self._lore.refused[part] = code
            gathered.refuse(part, code)
        self._generation = self._line.generation
        self._polls_since_refusal = 0

    async def _probe(self, compiled: CompiledGroup) -> None:
        """Ask for one point of a group that is refused; if it is given now, forget all refusals.

        Raises:
            DeviceRejectedError: it is still refused.
            DeviceFaultError: it is still broken.
        """
        span = compiled.spans[self._probes % len(compiled.spans)]
        self._probes += 1
        question = self._speech.read(span)
        code = question.refusal(await self._ask(question, Priority.POLL))
        if code is not None:
            raise_for_read(code, f"unit {self._config.unit}, read {span}")
            self._lore.refused[span] = code
            raise whole_refusal(self._lore, (span,), f"unit {self._config.unit}")
        self._forget()

    def _plan(self, group: PollGroup) -> CompiledGroup:
        compiled = self._compiled.get(group)
        if compiled is None:
            points = [self._map.points[point.name] for point in group.table]
            compiled = compile_group(points, self._limits, self._lore, self._speech)
            self._compiled[group] = compiled
        return compiled

    def _forget_when_due(self) -> None:
        refused = self._lore.refused
        if not refused:
            return
        self._polls_since_refusal += 1
        if (
            self._line.generation != self._generation
            or self._polls_since_refusal >= ASK_AGAIN_POLLS
        ):
            self._forget()
        elif self._polls_since_refusal % FAULT_AGAIN_POLLS == 0 and self._forget_faults():
            self._compiled.clear()

    def _forget_faults(self) -> bool:
        faults = [span for span, code in self._lore.refused.items() if code in FAULTS]
        for span in faults:
            del self._lore.refused[span]
        return bool(faults)

    def _forget(self) -> None:
        self._lore.refused.clear()
        self._compiled.clear()

    # Writing

    async def write(self, point: PointId, value: Value) -> Value:
        """Set the point ahead of all polls, read it back, and return what was read.

        What reads back as it was written is returned as it was asked, so that it compares equal.

        Raises:
            CommandRefusedError: no such point, not writable, or the value is not one it can take.
            DeviceRejectedError: the device refused it; nothing was moved.
            DeviceFaultError: the device says that it is broken.
            NoResponseError: nobody knows whether it was done.
            FrameError: likewise: what came back is no answer.
            BusUnavailableError: the line is gone.
        """
        mapped = self._map.points.get(point)
        if mapped is None or not mapped.point.writable:
            why = "there is no such point" if mapped is None else "it cannot be written"
            msg = f"{point}: {why} in profile {self._config.profile}"
            raise CommandRefusedError(msg)
        async with (
            self._writing
        ):  # so that nobody changes a register between its reading and its writing back
            return await self._write(mapped, value)

    async def _write(self, mapped: MappedPoint, value: Value) -> Value:
        point, field = mapped
        read_back = self._speech.read(field.span)
        asked = f"unit {self._config.unit}, write {point.name}"
        if field.span.table.bits:
            wanted: Value = as_bool(point, value)
            question = self._speech.write_coil(
                field.span.address, on=bool(wanted), multiple=field.write_multiple
            )
        else:
            wanted, registers = encode_value(mapped, value)
            if field.mask is not None:
                frame = await self._ask(read_back, Priority.COMMAND)
                raise_for_write(read_back.refusal(frame), asked)
                start = read_back.data_at
                registers = merge_bits(field, frame[start : start + len(registers)], registers)
            question = self._speech.write_registers(
                field.span.address, registers, multiple=field.write_multiple
            )
        raise_for_write(question.refusal(await self._ask(question, Priority.COMMAND)), asked)
        return self._proof(mapped, wanted, await self._ask(read_back, Priority.COMMAND), read_back)

    def _proof(
        self, mapped: MappedPoint, wanted: Value, frame: bytes, read_back: Question
    ) -> Value:
        """Return what the point says after the write.

        Raises:
            NoResponseError: it was written, but does not say what it is now.
        """
        point, field = mapped
        code = read_back.refusal(frame)
        if code is None:
            start = read_back.data_at
            cell = compile_decoder(field.span, [mapped]).decode(frame, start)[0][0]
            if cell is not None:
                if field.span.table.bits or field.mask is not None:
                    return cell
                _, registers = encode_value(mapped, wanted)
                return wanted if frame[start : start + len(registers)] == registers else cell
        why = (
            "it reads back as no value"
            if code is None
            else f"reading it back is refused with code {code}"
        )
        msg = f"unit {self._config.unit}: {point.name} was written, but {why}"
        raise NoResponseError(msg, answer=frame)

    # Memory

    @property
    def learned(self) -> bool:
        """Say whether there is a seam that `memory` has not told yet."""
        return self._learned

    def memory(self) -> Mapping[str, Any]:  # Any: plain JSON values
        """Return the seams."""
        self._learned = False
        return self._lore.dump()

    def recall(self, memory: Mapping[str, Any]) -> None:  # Any: plain JSON values
        """Take back seams; those at edges of no points (the profile has changed) are dropped."""
        self._lore.load(memory, [mapped.field.span for mapped in self._map.points.values()])
        self._compiled.clear()


def _address(config: ModbusConfig) -> Hashable:
    return config.unit


def _profile_schema() -> dict[str, Any]:  # Any: a JSON Schema
    from drivers.modbus.schema import ProfileModel  # noqa: PLC0415 - never in the agent

    return ProfileModel.model_json_schema()


def _discover(line: ByteLine, scope: Scope, state: State) -> AsyncIterator[Looked]:
    from drivers.modbus.discover import discover  # noqa: PLC0415 - never in the agent

    return discover(line, scope, state)


MANIFEST: Final = Manifest(
    name="modbus",
    media=("serial", "tcp"),
    config=ModbusConfig,
    build=Modbus,
    address=_address,
    prepare=prepare,
    discover=_discover,
    profile_schema=_profile_schema,
)
