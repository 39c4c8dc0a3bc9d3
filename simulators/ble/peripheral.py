"""The controller of a twin that can be connected to, unless a fault hides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bumble import hci, ll
from bumble.controller import Controller
from bumble.link import LocalLink


class Peripheral(Controller):
    """bumble's controller, that puts nothing on the air while it is hidden."""

    def __init__(
        self, name: str, link: LocalLink, address: hci.Address, hidden: Callable[[], bool]
    ) -> None:
        """Take its name, its link, its address and who says whether it is hidden."""
        super().__init__(name, link=link, public_address=address)
        self._hidden: Final = hidden

    def send_advertising_pdu(self, packet: ll.AdvertisingPdu) -> None:
        """Advertise, unless it is hidden."""
        if not self._hidden():
            super().send_advertising_pdu(packet)
