"""The site file of a demo, as text: what a technician would have written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from simulators.programs.parts import CONSUMER

GATEWAY: Final = "demo-cabinet-1"

EXAMPLE_LINES: Final[Mapping[str, Mapping[str, Any]]] = {  # Any: JSON values
    "meter-net": {"host": "127.0.0.1", "port": 5020},
    "cabinet-485": {"path": "/dev/ttyUSB0", "baud_rate": 9600, "parity": "none", "stop_bits": 1},
}
"""Addresses for a site file that is only printed."""


def lighting(lines: Mapping[str, Mapping[str, Any]], broker_port: int) -> str:  # Any: JSON values
    """Return the site file of a lighting cabinet.

    Args:
        lines: where the twins' lines are: `host` and `port`, or `path`, `baud_rate`, `parity`,
            `stop_bits`.
        broker_port: of the broker (or the proxy before it) on this machine.
    """
    net, serial = lines["meter-net"], lines["cabinet-485"]
    return f"""# A street-lighting cabinet, as `mayak demo lighting` runs it.

[gateway]
id = "{GATEWAY}"
title = "Шкаф освещения, Новороссийск, ул. Советов"
language = "ru"

[store]
path = "var/store.db"
max_mib = 64

[keys]
device_key = "keys/gateways/{GATEWAY}/device.key"
device_certificate = "keys/gateways/{GATEWAY}/device.pem"

[[consumer]]
id = "{CONSUMER}"
audiences = ["operations"]
hpke_keys = ["keys/{CONSUMER}-hpke.pub"]
sign_keys = ["keys/{CONSUMER}-sign.pem"]

[uplink]
consumer = "{CONSUMER}"
host = "localhost"
port = {broker_port}
ca = "keys/ca.pem"
keep_alive_s = 5
gather_s = 5  # readings go out together every 5 s; events and alarms at once

# The main meter hangs on the cabinet's network, everything else on one RS-485 line.

[[line]]
id = "meter-net"
medium = "tcp"
host = "{net["host"]}"
port = {net["port"]}

[[line]]
id = "cabinet-485"
medium = "serial"
port = "{serial["path"]}"
baud_rate = {serial["baud_rate"]}
parity = "{serial["parity"]}"
stop_bits = {serial["stop_bits"]}

[[device]]
id = "meter-1"
line = "meter-net"
driver = "modbus"
profile = "demo-meter-3p"
unit = 1

[[device]]
id = "meter-2"
line = "cabinet-485"
driver = "modbus"
profile = "demo-meter-3p"
unit = 1

[[device]]
id = "relay-1"
line = "cabinet-485"
driver = "modbus"
profile = "demo-relay-4"
unit = 2

[[device]]
id = "light-1"
line = "cabinet-485"
driver = "modbus"
profile = "demo-light"
unit = 3

[[device]]
id = "door-1"
line = "cabinet-485"
driver = "modbus"
profile = "demo-door"
unit = 4
"""


KINDS: Final = {"lighting": lighting}
"""Kinds of site that the demo can run; each has a packaged scene of the same name."""
