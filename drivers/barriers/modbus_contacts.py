"""Coils and inputs of a Modbus module.

Source: MODBUS Application Protocol Specification V1.1b3, 6.1, 6.2, 6.5 and 7.
"""

from __future__ import annotations

from typing import Final, NoReturn

from drivers.barriers.config import BarrierConfig
from drivers.barriers.contacts import input_places, inputs_of
from drivers.barriers.machine import Inputs
from drivers.media.framing import ByteLine
from drivers.telegrams.modbus import Question, Speech, refusal_name
from drivers.telegrams.modbus_tables import MAX_BITS, Span, Table
from gateway.model.driver import Priority
from gateway.model.errors import DeviceFaultError, DeviceRejectedError, NoResponseError

_FAULTS: Final = frozenset({4, 8})
_NOT_NOW: Final = frozenset({5, 6, 10, 11})
"""Acknowledged or busy, or a gateway without its device."""


class ModbusContacts:
    """The module of one barrier. A `Contacts`."""

    def __init__(self, config: BarrierConfig, line: ByteLine) -> None:
        """Take the options and the line.

        Raises:
            ValueError: the framing does not go with this kind of line, or the inputs lie too far
                apart for one read.
        """
        mbap = config.framing == "mbap" or (config.framing == "auto" and line.medium == "tcp")
        if mbap and line.medium != "tcp":
            msg = f"framing mbap does not go over a {line.medium} line: use rtu or auto"
            raise ValueError(msg)
        places = input_places(config)
        length = places[-1] - places[0] + 1
        if length > MAX_BITS:
            msg = f"opened_input and the others lie {length} apart: one read has {MAX_BITS}"
            raise ValueError(msg)
        self._config: Final = config
        self._line: Final = line
        self._speech: Final = Speech(config.unit, mbap=mbap)
        self._places: Final = places
        self._question: Final = self._speech.read(Span(Table(config.inputs), places[0], length))

    async def look(self, priority: Priority) -> Inputs:
        """Return what the inputs say, all read at once; see `Contacts.look`.

        Raises:
            NoResponseError: no answer, or not now.
            FrameError: what came is no answer.
            DeviceRejectedError: the module has no such inputs.
            DeviceFaultError: the module says that it is broken.
            BusUnavailableError: the line is gone.
        """
        frame = await self._ask(self._question, priority)
        first = self._places[0]
        bits = int.from_bytes(frame[self._question.data_at :], "little")
        return inputs_of(
            self._config, {place: bool(bits >> place - first & 1) for place in self._places}
        )

    async def put(self, output: int, *, on: bool) -> None:
        """Write a coil; see `Contacts.put`.

        Raises:
            NoResponseError: nobody knows whether it was done.
            FrameError: likewise.
            DeviceRejectedError: the module has no such coil.
            DeviceFaultError: the module says that it is broken.
            BusUnavailableError: the line is gone.
        """
        await self._ask(self._speech.write_coil(output, on=on, multiple=False), Priority.COMMAND)

    async def _ask(self, question: Question, priority: Priority) -> bytes:
        request, answer = question.ask()
        frame = await self._line.exchange(
            request,
            answer,
            timeout_s=self._config.response_timeout_s,
            priority=priority,
            characters=self._config.characters,
        )
        code = question.refusal(frame)
        if code is not None:
            self._refused(code, frame)
        return frame

    def _refused(self, code: int, frame: bytes) -> NoReturn:
        msg = f"unit {self._config.unit}: exception {code} ({refusal_name(code)})"
        if code in _NOT_NOW:
            raise NoResponseError(msg, answer=frame)
        if code in _FAULTS:
            raise DeviceFaultError(msg, code=code, answer=frame)
        raise DeviceRejectedError(msg, code=code, answer=frame)
