"""What a credential is made of, its digest, and that nothing else of it gets out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.access.credential import Credential, CredentialKey, Form
from drivers.access.secret_file import read_credential_key, read_secret
from tests.access_keys import SECRET, credential_key, digest

KEY = CredentialKey(SECRET)


def test_the_digest_is_as_the_page_says() -> None:
    shown = Credential.facility("w26", 26, 12, 3456, 16)
    assert KEY.digest(shown) == digest(b"facility-16:12:3456")
    assert len(KEY.digest(shown)) == 32
    assert CredentialKey(bytes(32)).digest(shown) != KEY.digest(shown)


def test_a_card_is_one_credential_whatever_reader_tells_it() -> None:
    chip = bytes.fromhex("1f000c0d80")
    by_26_bits = Credential.facility("w26", 26, 0x0C, 0x0D80, 16)
    by_34_bits = Credential.facility("w34", 34, 0x0C, 0x0D80, 16)
    told = {
        KEY.digest(each)
        for each in (
            by_26_bits,
            by_34_bits,
            Credential.chip("em4100", chip, Form.W26),
            Credential.chip("em4100", chip, Form.W34),
            Credential.chip("uid", chip[1:], Form.W26),
        )
    }
    assert told == {digest(b"facility-16:12:3456")}
    assert Credential.chip("em4100", chip).canonical == b"em4100:" + chip


def test_families_of_cards_are_kept_apart() -> None:
    same = [
        Credential.facility("w26", 26, 1, 2, 16),
        Credential.facility("w37", 37, 1, 2, 19),
        Credential.chip("em4100", bytes((0, 0, 1, 0, 2))),
        Credential.chip("uid", bytes((0, 1, 0, 2))),
        Credential.raw("raw", 32, 0x10002),
        Credential.raw("raw", 33, 0x10002),
        Credential.pin("12"),
    ]
    assert len({KEY.digest(each) for each in same}) == len(same)


@given(st.binary(min_size=4, max_size=10), st.sampled_from(Form))
def test_repr_says_nothing_of_the_number(number: bytes, form: Form) -> None:
    shown = Credential.chip("uid", number, form)
    assert repr(shown) == f"Credential('uid', {8 * len(number)})"
    assert SECRET.hex() not in repr(KEY)
    assert str(SECRET) not in repr(KEY)


def test_a_key_is_read_when_nobody_else_can(tmp_path: Path) -> None:
    path = credential_key(tmp_path)
    assert read_credential_key(path).secret == SECRET
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        read_credential_key(path)


@pytest.mark.parametrize("size", [0, 31, 4097])
def test_a_key_of_a_wrong_length_is_refused_and_not_told(tmp_path: Path, size: int) -> None:
    path = tmp_path / "credential.key"
    path.write_bytes(b"k" * size)
    path.chmod(0o600)
    with pytest.raises(ValueError, match="32 to 4096 bytes") as caught:
        read_credential_key(path)
    assert "kkk" not in str(caught.value)


def test_a_key_that_is_not_there_or_no_file_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.key cannot be read"):
        read_secret(tmp_path / "none.key")
    with pytest.raises(ValueError, match="cannot be read"):
        read_secret(tmp_path)
