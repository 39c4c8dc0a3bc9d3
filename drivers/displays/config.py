"""The options of boards and of free-place displays."""

from __future__ import annotations

import string
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from drivers.displays.sheet import Sheet
from drivers.media.characters import Characters
from gateway.model.errors import CommandRefusedError
from gateway.model.ids import POINT_PATTERN
from gateway.model.options import About, Checked, Limits

Seconds = Annotated[float, Limits(gt=0, le=86_400)]


def _can_be_used(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    sheet_of(profile, site_dir)


def _is_one(address: int | str | None, before: Mapping[str, Any], site_dir: Path | None) -> None:
    if address is not None and "profile" in before:
        sheet_of(before["profile"], site_dir).language.address.check(address)


def _can_be_shown(text: str | None, before: Mapping[str, Any], site_dir: Path | None) -> None:
    if text is None or "profile" not in before:
        return
    try:
        sheet_of(before["profile"], site_dir).split(text)
    except CommandRefusedError as error:
        raise ValueError(str(error)) from error


def _is_a_level(percent: int | None, before: Mapping[str, Any], site_dir: Path | None) -> None:
    if percent is None or "profile" not in before:
        return
    levels = sheet_of(before["profile"], site_dir).levels
    if percent not in levels:
        have = ", ".join(map(str, sorted(levels))) or "none"
        msg = f"this board has the brightness {have}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardConfig(Characters):
    """Options of one board."""

    profile: Annotated[
        str,
        Limits(min_length=1),
        Checked(_can_be_used),
        About("board: profiles/NAME.toml beside the site file, or one of Mayak's own"),
    ]
    address: Annotated[
        int | str | None,
        Checked(_is_one),
        About("address of the board; left out: the one of the profile"),
    ] = None
    brightness: Annotated[
        int | None,
        Checked(_is_a_level),
        About("brightness in percent from the start; left out: as the board has it"),
    ] = None
    period_s: Annotated[
        Seconds, About("how often it is looked at, or told again what it shows, in seconds")
    ] = 60.0
    watchdog_s: Annotated[
        int,
        Limits(ge=1, le=9999),
        About("silence after which a board that can shows its own picture, in seconds"),
    ] = 300
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence after a request that means no answer, in seconds"),
    ] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedBoardConfig(BoardConfig):
    """Options of a board that shows texts."""

    idle_text: Annotated[
        str | None,
        Checked(_can_be_shown),
        About("picture until somebody says another; pages between |; left out: as it was"),
    ] = None


def _are_names(names: tuple[str, ...], _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    if len(set(names)) != len(names):
        msg = "a name stands twice"
        raise ValueError(msg)


def _has_places(picture: str, before: Mapping[str, Any], site_dir: Path | None) -> None:
    if "directions" not in before:
        return
    try:
        named = {field for _, field, _, _ in string.Formatter().parse(picture) if field is not None}
    except ValueError as error:
        msg = f"it cannot be read: {error}"
        raise ValueError(msg) from error
    if named != set(before["directions"]):
        msg = f"it needs {', '.join('{' + name + '}' for name in before['directions'])}"
        raise ValueError(msg)
    _can_be_shown(picture.format(**dict.fromkeys(named, "0")), before, site_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacesConfig(BoardConfig):
    """Options of a display of free places."""

    directions: Annotated[
        tuple[Annotated[str, Limits(pattern=POINT_PATTERN)], ...],
        Limits(min_length=1, max_length=8),
        Checked(_are_names),
        About("names of the directions; of each a point `free_NAME`"),
    ] = ("ahead",)
    picture: Annotated[
        str,
        Checked(_has_places),
        About("what is shown, with {NAME} for each direction; pages between |"),
    ] = "{ahead}"
    digits: Annotated[
        int, Limits(ge=1, le=5), About("width of a number; a larger one shows as its largest")
    ] = 3
    full_text: Annotated[
        str, Checked(_can_be_shown), About("instead of 0; left out: the number itself")
    ] = ""
    unknown_text: Annotated[
        str, Checked(_can_be_shown), About("where nobody has said a number, or too long ago")
    ] = "--"
    believe_s: Annotated[
        Seconds, About("how long a number is believed when nobody says it again, in seconds")
    ] = 900.0


@dataclass(frozen=True, slots=True)
class LedBoardDevice:
    """What the driver of a board is built from."""

    options: LedBoardConfig
    sheet: Sheet

    @property
    def board_options(self) -> BoardConfig:
        """Return what all boards have."""
        return self.options


@dataclass(frozen=True, slots=True)
class PlacesDevice:
    """What the driver of a free-place display is built from."""

    options: PlacesConfig
    sheet: Sheet

    @property
    def board_options(self) -> BoardConfig:
        """Return what all boards have."""
        return self.options


class BoardDevice(Protocol):
    """What both have."""

    @property
    def board_options(self) -> BoardConfig:
        """Return what all boards have."""
        ...

    @property
    def sheet(self) -> Sheet:
        """Return what the model understands."""
        ...


def prepare_board(options: LedBoardConfig, site_dir: Path | None) -> LedBoardDevice:
    """Return the options with what the model understands.

    Raises:
        ValueError: the profile cannot be used.
    """
    return LedBoardDevice(options, sheet_of(options.profile, site_dir))


def prepare_places(options: PlacesConfig, site_dir: Path | None) -> PlacesDevice:
    """Return the options with what the model understands.

    Raises:
        ValueError: the profile cannot be used.
    """
    return PlacesDevice(options, sheet_of(options.profile, site_dir))


def address_of(config: BoardConfig) -> Hashable:
    """Return the place on the line."""
    return (config.profile, config.address)


def sheet_of(profile: str, site_dir: Path | None) -> Sheet:
    """Return what a model understands.

    Raises:
        ValueError: the profile cannot be used.
    """
    from drivers.displays.profile import load_profile  # noqa: PLC0415 - never in the agent

    return load_profile(profile, site_dir).sheet
