"""A twin: what it counts, when it is silent, what it obeys."""

from __future__ import annotations

import pytest

from simulators.faults import Crc, Echo, Fault, Flood, Liar, Reboot, Refuse, Short, Silent, Slow
from simulators.modbus.bank import Bank, BankOptions
from simulators.modbus.meter_3p import BRIGHTNESS, Meter3p, MeterOptions
from simulators.modbus.twin import COUNTER_SIZE, ModbusTwin, Reply
from simulators.truth import TruthJournal
from simulators.twin import delay_s
from tests.clock import HandClock

READ_COUNTER = bytes.fromhex("04 001E 0002")
READ_AROUND = bytes.fromhex("04 001E 0015")
READ_HALF = bytes.fromhex("04 001F 0002")
READ_VOLTS = bytes.fromhex("04 0000 0003")


@pytest.fixture
def truth(clock: HandClock) -> TruthJournal:
    return TruthJournal(clock)


@pytest.fixture
def meter(truth: TruthJournal) -> ModbusTwin:
    return ModbusTwin("meter-1", 1, Meter3p(MeterOptions(id="meter-1", line="net")), truth)


def ask(twin: ModbusTwin, request: bytes, *, now_s: float = 0.0) -> Reply | None:
    """Ask as a server does on a line that loses nothing."""
    reply = twin.reply(request, twin.strike(), now_s)
    if reply is not None and reply.number is not None:
        twin.served(reply.number, certain=reply.certain)
    return reply


def number_in(reply: Reply | None) -> int:
    assert reply is not None
    return int.from_bytes(reply.pdu[2:6], "big")


def test_twin_counts_answers_that_carry_the_counter(meter: ModbusTwin, truth: TruthJournal) -> None:
    assert [number_in(ask(meter, READ_COUNTER)) for _ask in range(3)] == [1, 2, 3]
    assert number_in(ask(meter, READ_AROUND)) == 4
    assert [entry.number for entry in truth.entries()] == [1, 2, 3, 4]


def test_twin_does_not_count_what_does_not_carry_the_whole_counter(
    meter: ModbusTwin, truth: TruthJournal
) -> None:
    for request in (READ_VOLTS, READ_HALF, bytes.fromhex("03 0000 0001")):
        reply = ask(meter, request)
        assert reply is not None
        assert reply.number is None
    assert ask(meter, bytes.fromhex("04 001A 0010")) == (b"\x84\x02", None, True)
    assert meter.answers == 0
    assert truth.entries() == ()


SPOILERS: dict[str, Fault] = {
    "silent": Silent(),
    "deaf or not": Silent(obeys=True),
    "crc": Crc(),
    "short": Short(),
    "exception": Refuse(),
    "liar about the count": Liar(how="count"),
    "echo alone": Echo(answers=False),
}


@pytest.mark.parametrize("fault", SPOILERS.values(), ids=SPOILERS)
def test_twin_does_not_count_what_a_fault_spoils(meter: ModbusTwin, fault: Fault) -> None:
    held = meter.begin(fault)
    reply = ask(meter, READ_COUNTER)
    assert reply is None or reply.number is None
    meter.end(held)
    assert number_in(ask(meter, READ_COUNTER)) == 1


def test_twin_is_not_certain_of_late_answers(meter: ModbusTwin, truth: TruthJournal) -> None:
    meter.begin(Slow())
    ask(meter, READ_COUNTER)
    assert [(entry.number, entry.certain) for entry in truth.entries()] == [(1, False)]


def test_twin_is_not_certain_of_what_it_served_just_before_a_fault(
    meter: ModbusTwin, truth: TruthJournal, clock: HandClock
) -> None:
    for _ask in range(3):
        ask(meter, READ_COUNTER)
        clock.advance(1.5)
    held = meter.begin(Crc(probability=0.0))
    ask(meter, READ_COUNTER)
    meter.end(held)
    ask(meter, READ_COUNTER)
    assert [entry.certain for entry in truth.entries()] == [True, True, False, False, True]


def test_twin_is_not_certain_of_the_first_thing_it_serves_after_refusing_all(
    meter: ModbusTwin, truth: TruthJournal
) -> None:
    held = meter.begin(Refuse())
    ask(meter, READ_COUNTER)
    meter.end(held)
    for _ask in range(3):
        ask(meter, READ_COUNTER)
    assert [entry.certain for entry in truth.entries()] == [False, True, True]


def test_twin_that_lies_about_values_keeps_its_counter_true(
    meter: ModbusTwin, truth: TruthJournal
) -> None:
    meter.begin(Liar(how="values"))
    reply = ask(meter, bytes.fromhex("04 001E 0004"))
    assert reply is not None
    assert reply.pdu == bytes.fromhex("04 08 0000 0001 FFFF FFFF")
    assert [entry.number for entry in truth.entries()] == [1]


def test_twin_of_which_a_fault_strikes_half(meter: ModbusTwin) -> None:
    meter.begin(Silent(probability=0.5, seed=4))
    answered = sum(ask(meter, READ_VOLTS) is not None for _ask in range(400))
    assert 150 < answered < 250
    assert meter.counts.struck == 400 - answered
    assert meter.counts.requests == 400


def test_twin_without_a_voice_still_obeys(meter: ModbusTwin) -> None:
    write = bytes.fromhex("06 0000 0005")
    held = meter.begin(Silent())
    assert ask(meter, write) is None
    assert meter.device.memory.holding.read(0, 1) == bytes((0, BRIGHTNESS))
    meter.end(held)
    meter.begin(Silent(obeys=True))
    assert ask(meter, write) is None
    assert meter.device.memory.holding.read(0, 1) == b"\x00\x05"


def test_twin_that_refuses_changes_nothing(meter: ModbusTwin) -> None:
    meter.begin(Refuse(code=6))
    assert ask(meter, bytes.fromhex("06 0000 0005")) == (b"\x86\x06", None, True)
    assert meter.device.memory.holding.read(0, 1) == bytes((0, BRIGHTNESS))


def test_twin_that_restarts_is_off_and_forgets_its_settings_not_its_counter(
    meter: ModbusTwin,
) -> None:
    ask(meter, READ_COUNTER)
    ask(meter, bytes.fromhex("06 0000 0005"))
    held = meter.begin(Reboot())
    assert meter.off
    assert ask(meter, READ_COUNTER) is None
    meter.end(held)
    assert not meter.off
    assert meter.device.memory.holding.read(0, 1) == bytes((0, BRIGHTNESS))
    assert number_in(ask(meter, READ_COUNTER)) == 2


def test_twin_counter_goes_round_at_32_bits(meter: ModbusTwin) -> None:
    meter.answers = COUNTER_SIZE - 1
    assert number_in(ask(meter, READ_COUNTER)) == 0
    assert number_in(ask(meter, READ_COUNTER)) == 1


def test_twin_flood_does_not_strike_answers(meter: ModbusTwin) -> None:
    meter.begin(Flood())
    assert meter.strike() == ()


def test_twin_steps_its_physics_only_when_worth_it(meter: ModbusTwin) -> None:
    meter.advance(100.0)
    before = bytes(meter.device.memory.inputs.image)
    meter.advance(100.05)
    assert bytes(meter.device.memory.inputs.image) == before
    meter.advance(110.0)
    assert bytes(meter.device.memory.inputs.image) != before


def test_twin_counter_among_holding_registers_counts_reads_of_function_23_too(
    truth: TruthJournal,
) -> None:
    bank = ModbusTwin("b", 1, Bank(BankOptions(id="b", line="l", registers=4)), truth)
    assert ask(bank, bytes.fromhex("03 0000 0006")) is not None
    assert ask(bank, bytes.fromhex("04 0000 0006")) == (b"\x84\x01", None, True)
    assert bank.answers == 1
    # Function 23 reads, but a bank takes no writes: refused, and not counted.
    assert ask(bank, bytes.fromhex("17 0004 0002 0000 0001 02 0001")) == (b"\x97\x02", None, True)
    assert bank.answers == 1


def test_twin_struck_is_handed_to_pure_functions(meter: ModbusTwin) -> None:
    meter.begin(Crc())
    meter.begin(Slow(delay_s=2.0))
    struck = meter.strike()
    assert delay_s(struck) == 2.0
    assert [item.fault.name for item in struck] == ["crc", "slow"]
