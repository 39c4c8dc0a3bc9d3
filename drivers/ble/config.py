"""Options of a radio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from gateway.model.options import About, Checked, Limits, Options


def _transport(controller: str, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    kind, _, rest = controller.partition(":")
    if kind not in {"tcp-client", "serial", "usb", "hci-socket"} or not rest:
        msg = (
            "is no HCI transport: tcp-client:HOST:PORT, serial:DEVICE,SPEED, usb:INDEX or "
            "hci-socket:INDEX"
        )
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class BleConfig(Options):
    """Options of one adapter."""

    adapter: Annotated[
        str,
        Limits(pattern=r"^hci\d{1,3}$"),
        About("adapter of the system's Bluetooth service (BlueZ)"),
    ] = "hci0"
    controller: Annotated[
        Annotated[str, Limits(min_length=1), Checked(_transport)] | None,
        About("instead of `adapter`: an HCI transport, which needs the extra `ble-virtual`"),
    ] = None
    scanning: Annotated[
        Literal["active", "passive"],
        About("active asks advertisers for their second frame; passive sends nothing"),
    ] = "active"
    scan_window_s: Annotated[
        float, Limits(gt=0, le=3600), About("for how long it listens each time, in seconds")
    ] = 10.0
    scan_interval_s: Annotated[
        float,
        Limits(ge=0, le=3600),
        About("how often it begins to listen, in seconds; 0: it always listens"),
    ] = 0.0
    quiet_limit_s: Annotated[
        float,
        Limits(gt=0, le=86_400),
        About("silence of the whole air after which the adapter is healed, in seconds"),
    ] = 60.0
    adapter_timeout_s: Annotated[
        float,
        Limits(gt=0, le=60),
        About("how long the adapter may take for a step of its own, in seconds"),
    ] = 5.0

    def __post_init__(self) -> None:
        """Refuse a window that is longer than its interval.

        Raises:
            ValueError: with the reason.
        """
        if self.scan_interval_s and self.scan_window_s > self.scan_interval_s:
            msg = "scan_window_s is longer than scan_interval_s"
            raise ValueError(msg)
