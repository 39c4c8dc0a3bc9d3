"""The site file of a demo, as text: what a technician would have written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from simulators.programs.site_file import Settings, device, head, line

GATEWAY: Final = "demo-cabinet-1"

EXAMPLE_LINES: Final[Mapping[str, Settings]] = {
    "meter-net": {"host": "127.0.0.1", "port": 5020},
    "cabinet-485": {"path": "/dev/ttyUSB0", "baud_rate": 9600, "parity": "none", "stop_bits": 1},
}
"""Addresses for a site file that is only printed."""


ABOUT: Final = """\
title = "Шкаф освещения, Новороссийск, ул. Советов"
language = "ru"
"""
UPLINK: Final = """\
gather_s = 5  # readings go out together every 5 s; events and alarms at once
"""
DEVICES: Final = (
    ("meter-1", "meter-net", "demo-meter-3p", 1),
    ("meter-2", "cabinet-485", "demo-meter-3p", 1),
    ("relay-1", "cabinet-485", "demo-relay-4", 2),
    ("light-1", "cabinet-485", "demo-light", 3),
    ("door-1", "cabinet-485", "demo-door", 4),
)


def lighting(lines: Mapping[str, Settings], broker_port: int) -> str:
    """Return the site file of a lighting cabinet.

    Args:
        lines: where the twins' lines are.
        broker_port: of the broker (or the proxy before it) on this machine.
    """
    return (
        "# A street-lighting cabinet, as `mayak demo lighting` runs it.\n\n"
        + head(GATEWAY, broker_port, max_mib=64, about=ABOUT, uplink=UPLINK)
        + "# The main meter hangs on the cabinet's network, everything else on one RS-485 line.\n\n"
        + "".join(line(name, lines[name]) for name in ("meter-net", "cabinet-485"))
        + "".join(device(*each) for each in DEVICES)
    )


KINDS: Final = {"lighting": lighting}
"""Kinds of site that the demo can run; each has a packaged scene of the same name."""
