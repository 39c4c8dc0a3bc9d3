"""Setting up a meter: another speed, another primary address. Each is proved before it is told.

Source: "The M-Bus: A Documentation", Rev. 4.8, 6.4.2 (primary address) and 6.5 (speed).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from drivers.mbus import link
from drivers.mbus.address import LAST_PRIMARY
from drivers.mbus.readout import Asking
from drivers.media.characters import Characters
from gateway.model.driver import Priority
from gateway.model.errors import CommandRefusedError, FrameError, NoResponseError

_CI_SEND: Final = 0x51
_SET_ADDRESS: Final = bytes((0x01, 0x7A))


async def set_speed(asking: Asking, address: int, baud_rate: int) -> None:
    """Have a meter talk at another speed from now on.

    The meter acknowledges at the old speed; then it must acknowledge a reset at the new one.

    Args:
        asking: how it is asked now.
        address: its primary address.
        baud_rate: one of M-Bus, 300 to 38400.

    Raises:
        CommandRefusedError: it stays at its old speed.
        NoResponseError: it answers at neither, now.
        FrameError: likewise; what came is no acknowledgement.
        BusUnavailableError: the line is gone, or has no such speed.
        ValueError: M-Bus has no such speed.
    """
    asking = replace(asking, priority=Priority.COMMAND)
    own = asking.characters or Characters()
    await asking.acknowledged(link.set_speed(address, baud_rate))
    try:
        fast = replace(asking, characters=replace(own, baud_rate=baud_rate))
        await fast.acknowledged(link.reset_link(address))
    except (NoResponseError, FrameError) as error:
        await asking.acknowledged(link.reset_link(address))
        msg = f"meter {address} stays at its old speed"
        raise CommandRefusedError(msg) from error


async def set_address(asking: Asking, address: int, wanted: int) -> None:
    """Give a meter another primary address.

    Args:
        asking: how it is asked.
        address: its primary address now; 253 for one that was selected before.
        wanted: 1 to 250.

    Raises:
        CommandRefusedError: somebody has that address, or it is none.
        NoResponseError: it does not answer at its new address.
        FrameError: likewise; what came is no acknowledgement.
        BusUnavailableError: the line is gone.
    """
    if not 1 <= wanted <= LAST_PRIMARY:
        msg = f"{wanted} is no primary address: use 1 to {LAST_PRIMARY}"
        raise CommandRefusedError(msg)
    asking = replace(asking, priority=Priority.COMMAND)
    if await _somebody_at(asking, wanted):
        msg = f"somebody has the primary address {wanted}: choose another one"
        raise CommandRefusedError(msg)
    order = link.long_frame(link.SND_UD, address, _CI_SEND, _SET_ADDRESS + bytes((wanted,)))
    await asking.acknowledged(order)
    await asking.acknowledged(link.reset_link(wanted))


async def _somebody_at(asking: Asking, address: int) -> bool:
    try:
        await asking.acknowledged(link.reset_link(address))
    except NoResponseError:
        return False
    except FrameError:
        return True
    return True
