"""The search finds what is planted, in each form, and nothing in noise: else it proves nothing."""

from __future__ import annotations

import random
import sqlite3
import struct
from pathlib import Path

import pytest

from tests.canary import (
    Canaries,
    all_found,
    files_below,
    forms_of_float,
    forms_of_integer,
    forms_of_text,
)

TEXT, NUMBER = "CANARY-7F3A-91xq", 987_654_321_012_345_678
FIRST, SECOND = (struct.unpack(">f", struct.pack(">f", each))[0] for each in (1234.5678, 8765.4321))
CANARIES = Canaries(
    {"text": forms_of_text(TEXT), "number": forms_of_integer(NUMBER)},
    (forms_of_float(FIRST), forms_of_float(SECOND)),
)
FORMS = [(value, form) for value, forms in CANARIES.alone.items() for form in forms]


@pytest.mark.parametrize(("value", "form"), FORMS, ids=[f"{v} {f}" for v, f in FORMS])
def test_a_planted_value_is_found_in_each_form(value: str, form: str, rng: random.Random) -> None:
    needle = CANARIES.alone[value][form]
    noise = rng.randbytes(10_000)
    assert f"x: {value} as {form}" in CANARIES.found("x", noise[:5_001] + needle + noise[5_001:])


@pytest.mark.parametrize("form", CANARIES.pair[0])
def test_of_short_forms_both_are_a_find_and_one_is_none(form: str) -> None:
    one, two = CANARIES.pair
    assert CANARIES.found("x", b"--" + one[form] + b"--" + two[form]) != []
    if len(one[form]) < 8:
        assert CANARIES.found("x", b"--" + one[form] + b"--") == []


def test_noise_is_no_find(rng: random.Random) -> None:
    assert CANARIES.found("x", rng.randbytes(2_000_000)) == []


def test_what_an_ordinary_program_leaves_on_the_card_is_found(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "plain.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (text, number, first REAL, second REAL)")
        db.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (TEXT, NUMBER, FIRST, SECOND))
        db.commit()
        finds = all_found(CANARIES, files_below(tmp_path))
    db.close()
    assert "plain.db-wal: text as utf-8" in finds
    assert "plain.db-wal: number as big-endian" in finds
    assert "plain.db-wal: the pair as float64 big-endian" in finds
