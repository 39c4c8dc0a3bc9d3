"""Answers to GET DATA: a UID, or refused without its bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.access.pcsc.codec import decode_uid
from gateway.model.errors import DeviceRejectedError, FrameError


@pytest.mark.parametrize("uid", ["01020304", "04a1b2c3d4e5f6", "0102030405060708090a"])
def test_a_uid_is_read(uid: str) -> None:
    assert decode_uid(bytes.fromhex(uid + "9000")) == bytes.fromhex(uid)


@pytest.mark.parametrize("status", [0x6300, 0x6A81, 0x6282, 0x6C07])
def test_another_status_is_a_refusal_with_its_code(status: int) -> None:
    with pytest.raises(DeviceRejectedError) as caught:
        decode_uid(b"\x04\xa1\xb2\xc3" + status.to_bytes(2, "big"))
    assert caught.value.code == status
    assert "a1" not in str(caught.value).lower().replace("6a81", "")


@pytest.mark.parametrize(
    "answer", [b"", b"\x90", b"\x90\x00", b"\x01\x90\x00", bytes(13) + b"\x90\x00"]
)
def test_what_is_no_uid_is_refused(answer: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        decode_uid(answer)
    assert not caught.value.answer


@given(st.binary(max_size=40))
def test_any_answer_is_a_uid_or_refused(answer: bytes) -> None:
    with suppress(FrameError, DeviceRejectedError):
        assert decode_uid(answer) + b"\x90\x00" == answer
