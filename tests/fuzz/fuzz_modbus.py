"""Any bytes as an answer of Modbus, in both framings: found, waited for, or refused."""

from __future__ import annotations

from contextlib import suppress

from drivers.modbus.fields import Span, Table
from drivers.modbus.naming import Naming, names
from drivers.telegrams.modbus import Speech
from gateway.model.errors import FrameError

SPANS = (Span(Table.HOLDING, 0, 2), Span(Table.COIL, 8, 11), Span(Table.INPUT, 65_535, 1))


def one(data: bytes) -> None:
    """Hold the bytes against a few requests."""
    unit = data[0] if data else 1
    for mbap in (False, True):
        speech = Speech(unit, mbap=mbap)
        questions = [speech.read(span) for span in SPANS]
        questions.append(speech.write_coil(3, on=True, multiple=False))
        questions.append(speech.write_registers(7, b"\x00\x01", multiple=True))
        for question in questions:
            _, answer = question.ask()
            with suppress(FrameError):
                size = answer.measure(data)
                if size > 0:
                    question.refusal(data[:size])
        naming = Naming(unit, mbap, 0, int.from_bytes(data[:2], "big"))
        with suppress(FrameError):
            size = naming.answer.measure(data)
            if size > 0:
                names(data[:size], mbap=mbap)
