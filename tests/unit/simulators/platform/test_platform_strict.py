from __future__ import annotations

from contextlib import suppress

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.platform import strict
from simulators.platform.errors import Reason, WireError

ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(0, 9) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(ITEMS)
def test_decode_reads_what_an_encoder_wrote(item: object) -> None:
    assert strict.decode(cbor2.dumps(item)) == item


@given(st.binary(max_size=200))
def test_decode_of_any_bytes_returns_or_raises_wire_error(data: bytes) -> None:
    with suppress(WireError):
        strict.decode(data)


@given(ITEMS, st.data())
def test_decode_refuses_an_item_cut_short(item: object, data: st.DataObject) -> None:
    whole = cbor2.dumps(item)
    with pytest.raises(WireError):
        strict.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


REFUSED = {
    "bytes after the end": b"\x01\x02",
    "nothing": b"",
    "an indefinite array": b"\x9f\x01\xff",
    "an indefinite text": b"\x7f\x61a\xff",
    "a break alone": b"\xff",
    "a regular expression": b"\xd8\x23\x61(",
    "a big integer": b"\xc2\x59\x40\x00" + b"\xff" * 0x4000,
    "a shared reference": b"\xd8\x1d\x00",
    "a date": b"\xc1\x00",
    "our own tag within": b"\x81\xd2\x80",
    "a key twice": b"\xa2\x01\x02\x01\x03",
    "text that is not UTF-8": b"\x62\xff\xff",
    "a length beyond the end": b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
    "bytes beyond the end": b"\x5b\x00\x00\x00\xff\xff\xff\xff\xff",
    "a map beyond the end": b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    "undefined simple value": b"\xf8\x20",
    "simple value 0": b"\xe0",
    "too deep": b"\x81" * (strict.MAX_DEPTH + 1) + b"\x01",
    "deeper than any stack": b"\x81" * 100_000 + b"\x01",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_decode_refuses(data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        strict.decode(data)
    assert caught.value.reason is Reason.CBOR


def test_decode_refuses_more_items_than_allowed() -> None:
    data = cbor2.dumps([0] * 10)
    assert strict.decode(data, max_items=11) == [0] * 10
    with pytest.raises(WireError, match="more than 10 items"):
        strict.decode(data, max_items=10)


WRONG = {
    "natural, a bool": lambda: strict.natural(True, "n"),
    "natural, negative": lambda: strict.natural(-1, "n"),
    "natural, too large": lambda: strict.natural(2**63, "n"),
    "natural, a float": lambda: strict.natural(1.0, "n"),
    "signed, too large": lambda: strict.signed(2**63, "n"),
    "octets, wrong length": lambda: strict.octets(b"123", 4, "n"),
    "octets, a text": lambda: strict.octets("1234", 4, "n"),
    "text, too long": lambda: strict.text("x" * (strict.TEXT_LIMIT + 1), "n"),
    "name, empty": lambda: strict.name("", "n"),
    "number, not one": lambda: strict.number(float("nan"), "n"),
    "number, infinite": lambda: strict.number(float("inf"), "n"),
    "number, a bool": lambda: strict.number(True, "n"),
    "array, wrong length": lambda: strict.array([1], 2, "n"),
    "array, a map": lambda: strict.entries({}, "n"),
    "map, an array": lambda: strict.mapping([], "n"),
    "field, missing": lambda: strict.field({1: 2}, 3, "n"),
}


@pytest.mark.parametrize("check", WRONG.values(), ids=WRONG.keys())
def test_a_field_of_another_form_is_refused(check: object) -> None:
    assert callable(check)
    with pytest.raises(WireError) as caught:
        check()
    assert caught.value.reason is Reason.FORM
