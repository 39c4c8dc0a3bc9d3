"""Parts of a site file, as text: what every site of the demo, the bench and the tests has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

CONSUMER: Final = "city"

Settings = Mapping[str, Any]  # Any: JSON values of the twins' ready file


def head(
    gateway: str,
    broker_port: int,
    *,
    max_mib: int,
    about: str = "",
    uplink: str = "",
    audiences: Sequence[str] = ("operations",),
) -> str:
    """Return what stands before the lines: gateway, store, keys, consumer, uplink.

    Args:
        gateway: its id; its keys lie in `keys/`, as `mayak ca new` has made them.
        broker_port: of the broker, or the link before it, on this machine.
        max_mib: of the store.
        about: further options of the gateway, as lines of TOML.
        uplink: likewise of the uplink.
        audiences: that the consumer is entitled to.
    """
    return f"""[gateway]
id = "{gateway}"
{about}
[store]
path = "var/store.db"
max_mib = {max_mib}

[keys]
device_key = "keys/gateways/{gateway}/device.key"
device_certificate = "keys/gateways/{gateway}/device.pem"

[[consumer]]
id = "{CONSUMER}"
audiences = {toml(list(audiences))}
hpke_keys = ["keys/{CONSUMER}-hpke.pub"]
sign_keys = ["keys/{CONSUMER}-sign.pem"]

[uplink]
consumer = "{CONSUMER}"
host = "localhost"
port = {broker_port}
ca = "keys/ca.pem"
keep_alive_s = 5
{uplink}
"""


def line(name: str, at: Settings) -> str:
    """Return a line.

    Args:
        name: its id.
        at: `host` and `port`, or `path`, `baud_rate`, `parity`, `stop_bits` of a serial one.
    """
    if "path" in at:
        medium, where = (
            "serial",
            (
                f'port = "{at["path"]}"\nbaud_rate = {at["baud_rate"]}\n'
                f'parity = "{at["parity"]}"\nstop_bits = {at["stop_bits"]}\n'
            ),
        )
    else:
        medium, where = "tcp", f'host = "{at["host"]}"\nport = {at["port"]}\n'
    return f'[[line]]\nid = "{name}"\nmedium = "{medium}"\n{where}\n'


def tables(name: str, rows: Iterable[Settings]) -> str:
    """Return an array of tables as TOML: `[[name]]` for each row."""
    return "".join(
        f"[[{name}]]\n{''.join(f'{key} = {toml(value)}{chr(10)}' for key, value in row.items())}\n"
        for row in rows
    )


def toml(value: Any) -> str:  # Any: what TOML holds
    """Return a value as TOML writes it; a table inline."""
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{_key(k)} = {toml(v)}" for k, v in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:  # text, numbers and booleans are written alike in JSON and TOML
            return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def device(name: str, line: str, profile: str, unit: int, options: str = "") -> str:
    """Return a Modbus device; `options` are further ones, as lines of TOML."""
    return f"""[[device]]
id = "{name}"
line = "{line}"
driver = "modbus"
profile = "{profile}"
unit = {unit}
{options}
"""
