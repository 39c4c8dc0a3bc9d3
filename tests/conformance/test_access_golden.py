"""Written transcripts of access readers: what was said once is understood so for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.access.osdp.codec import Frames as OsdpFrames
from drivers.access.rdm6300.codec import Frames as Rdm6300Frames
from simulators.access.cards import wiegand_26
from simulators.access.osdp.frames import next_command
from simulators.access.osdp.reader import Reader

GOLDEN = Path(__file__).parents[1] / "golden"
OSDP = {path.stem: path for path in sorted((GOLDEN / "osdp").glob("*.txt"))}
RDM6300 = {path.stem: path for path in sorted((GOLDEN / "rdm6300").glob("*.txt"))}


def lines_of(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(line[:2], line[2:].strip()) for line in lines if line]


def reader_of(path: Path) -> Reader:
    [line] = [line for line in path.read_text().splitlines() if line.startswith("reader ")]
    _, address, _, key, _, seed = line.split()
    own = None if key == "none" else bytes.fromhex(key)
    return Reader(int(address), own, outputs=2, seed=int(seed))


@pytest.mark.parametrize("name", OSDP)
def test_a_reader_says_what_libosdp_took(name: str) -> None:
    reader = reader_of(OSDP[name])
    acts: dict[str, Callable[..., None]] = {
        "show": lambda facility, number: reader.show(wiegand_26(int(facility), int(number)))
    }
    heard, said, replies = bytearray(), [], []
    for sign, text in lines_of(OSDP[name]):
        if sign == "# " and (words := text.split()) and words[0] in acts:
            acts[words[0]](*words[1:])
        elif sign == ">>":
            heard += bytes.fromhex(text)
            while (command := next_command(heard)) is not None:
                reply = reader.answer(command)
                said += [] if reply is None else [reply.hex(" ")]
        elif sign == "<<":
            replies.append(text)
    assert said == replies
    assert len(said) >= 3


@pytest.mark.parametrize("name", OSDP)
def test_the_driver_finds_every_frame(name: str) -> None:
    frames = OsdpFrames()
    wires = [
        (sign, bytes.fromhex(text)) for sign, text in lines_of(OSDP[name]) if sign in {">>", "<<"}
    ]
    found = [frame for _, wire in wires for frame in frames.feed(wire)]
    assert [frame.is_reply for frame in found] == [sign == "<<" for sign, _ in wires]
    assert {frame.address for frame in found} == {5}
    assert frames.dropped == 0


@pytest.mark.parametrize("name", RDM6300)
def test_a_module_is_understood_as_written(name: str) -> None:
    frames = Rdm6300Frames()
    found, expected = [], []
    for sign, text in lines_of(RDM6300[name]):
        if sign == "<<":
            said = frames.feed(bytes.fromhex(text))
            found += [each.hex() if not isinstance(each, str) else str(each) for each in said]
        elif sign in {"==", "!!"}:
            expected.append(text)
    assert found == expected
    assert found
