"""How much of its life a memory card has left: as it says, or by what was written to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.health.card import TIB, Card, Worn, card_numbered, card_under, left_of, worn_from


def sysfs(folder: Path, *, life: str = "", reserve: str = "", sectors: int | None = None) -> Path:
    """Make the tree of a card `mmcblk0` with a second partition, 179:2."""
    device = folder / "devices" / "platform" / "mmc0" / "block" / "mmcblk0"
    (device / "device").mkdir(parents=True)
    (device / "mmcblk0p2").mkdir()
    (device / "mmcblk0p2" / "partition").write_text("2\n")
    (device / "device" / "cid").write_text("1b534d4542315154308f0e1d2c016b00\n")
    if life:
        (device / "device" / "life_time").write_text(f"{life}\n")
    if reserve:
        (device / "device" / "pre_eol_info").write_text(f"{reserve}\n")
    if sectors is not None:
        (device / "stat").write_text(f"  100 0 800 9 5 0 {sectors} 3 0 4 12 0 0 0 0 0 0\n")
    numbers = folder / "dev" / "block"
    numbers.mkdir(parents=True)
    (numbers / "179:2").symlink_to(device / "mmcblk0p2")
    mapped = folder / "devices" / "virtual" / "block" / "dm-0"
    (mapped / "slaves").mkdir(parents=True)
    (mapped / "slaves" / "mmcblk0p2").symlink_to(device / "mmcblk0p2")
    (numbers / "253:0").symlink_to(mapped)
    return folder


@pytest.mark.parametrize(
    ("life", "reserve", "left"),
    [
        ("0x01 0x01", "0x01", 90),
        ("0x02 0x07", "0x01", 30),
        ("0x0a 0x02", "0x01", 0),
        ("0x0b 0x0b", "0x03", 0),
        ("0x01 0x01", "0x02", 20),
        ("0x01 0x00", "0x03", 10),
        ("0x00 0x00", "0x00", None),
        ("0x00 0x00", "0x02", 20),
        ("garbage", "", None),
        ("", "", None),
    ],
)
def test_an_emmc_says_what_it_has_left(
    tmp_path: Path, life: str, reserve: str, left: float | None
) -> None:
    card = card_numbered(179, 2, sysfs(tmp_path, life=life, reserve=reserve))
    assert card is not None
    assert card.life_left() == left


def test_a_partition_and_a_mapping_are_of_their_card(tmp_path: Path) -> None:
    root = sysfs(tmp_path, sectors=2048)
    plain, mapped = card_numbered(179, 2, root), card_numbered(253, 0, root)
    assert plain is not None
    assert plain == mapped
    assert plain.device.name == "mmcblk0"
    assert plain.written_bytes() == 2**20
    assert plain.identity == "1b534d4542315154308f0e1d2c016b00"


def test_what_is_no_card_is_none(tmp_path: Path) -> None:
    assert card_numbered(0, 39, sysfs(tmp_path)) is None
    assert card_numbered(8, 1, tmp_path) is None
    assert card_under(tmp_path / "not-there", tmp_path) is None
    assert card_under(tmp_path, tmp_path) is None


@pytest.mark.parametrize("stat", ["", "1 2 3", "1 2 3 4 5 6 seven 8"])
def test_a_card_that_does_not_count_tells_no_bytes(tmp_path: Path, stat: str) -> None:
    (tmp_path / "stat").write_text(stat)
    assert Card(tmp_path).written_bytes() is None


def test_bytes_are_added_up_over_boots_and_begin_anew_with_another_card() -> None:
    worn = worn_from(None).after("one", "boot-1", 100)
    assert worn.total_bytes == 100
    worn = worn.after("one", "boot-1", 250)
    assert worn.total_bytes == 250
    worn = worn_from(worn.packed()).after("one", "boot-2", 30)
    assert worn.total_bytes == 280
    assert worn.after("one", "boot-2", 50).total_bytes == 300
    assert worn.after("two", "boot-2", 50).total_bytes == 50


@given(st.binary(max_size=40))
def test_any_bytes_kept_are_read_or_count_as_nothing(kept: bytes) -> None:
    assert isinstance(worn_from(kept), Worn)


def test_the_rest_of_a_rated_endurance() -> None:
    assert left_of(Worn("", "", 0, TIB), 4) == 75
    assert left_of(Worn("", "", 0, 9 * TIB), 4) == 0
