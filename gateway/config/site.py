"""The site file: every option with its type, range, unit (in the name) and description.

A line and a device carry, beside the options here, those of their medium or driver; only the
plugins know these (`gateway.plugins` checks them). Paths are relative to the site file.

These are plain dataclasses: the agent works with them and loads nothing that checks them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from gateway.messages.formatting import Language
from gateway.model.errors import KeyPath, Mistake, option_name
from gateway.model.ids import NAME_PATTERN, Audience, ConsumerId, DeviceId, GatewayId, LineId
from gateway.model.options import About, Limits, Name, OneOrSeveral, Options, SitePath

LOOPBACK_NAMES: Final = frozenset({"localhost"})
TPM_HANDLE: Final = r"^0x81[0-9A-Fa-f]{6}$"
"""Persistent handles (TPM 2.0 Library, Part 2, TPM_HT_PERSISTENT)."""
NAME: Final = Limits(pattern=NAME_PATTERN)


class Section(Options):
    """What all sections share: a whole number is not written as a text, and nothing is infinite."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
        "validate_default": True,
    }


class OpenSection(Section):
    """A section whose other options belong to a plugin."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {
        **Section.__pydantic_config__,
        "extra": "ignore",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions(Section):
    """Who this gateway is."""

    id: Annotated[
        GatewayId,
        NAME,
        About("name of the gateway, its own in the city; the certificate names it too"),
    ]
    title: Annotated[str, Limits(max_length=120), About("name of the site, for people")] = ""
    language: Annotated[
        Language, About("language of what the gateway says to people of the site")
    ] = "ru"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions(Section):
    """What is kept until the platform has it."""

    path: Annotated[
        SitePath, About("the file of the store; its folder is made when it is not there")
    ] = Path("var/store.db")
    max_mib: Annotated[
        int, Limits(ge=16, le=1_048_576), About("largest size of the store, in MiB")
    ] = 512
    warn_left_hours: Annotated[
        float,
        Limits(ge=0.0, le=8_760.0),
        About("an alarm when the room lasts fewer hours without a link; 0: never"),
    ] = 12.0
    history_days: Annotated[
        float,
        Limits(ge=0.0, le=366.0),
        About("how long quarters of an hour are kept for charts, never personal; 0: not at all"),
    ] = 7.0
    card_endurance_tib: Annotated[
        Annotated[float, Limits(gt=0.0, le=100_000.0)] | None,
        About("rated endurance of the memory card in TiB written, of one that cannot tell itself"),
    ] = None
    seal_every_s: Annotated[
        float,
        Limits(ge=0.05, le=1.0),
        About("how long a reading may wait before it is sealed and durable, in seconds"),
    ] = 1.0
    epoch_hours: Annotated[
        float, Limits(ge=0.25, le=24.0), About("life of one sealing key, in hours")
    ] = 4.0
    kem: Annotated[
        Literal["mlkem768-x25519", "x25519"],
        About("how a sealing key is wrapped for a consumer: hybrid post-quantum, or X25519"),
    ] = "mlkem768-x25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions(Section):
    """Who the gateway proves to be."""

    store: Annotated[
        Literal["file", "pkcs11", "tpm2"], About("where the private key of the gateway is kept")
    ] = "file"
    device_key: Annotated[
        SitePath | None,
        About("private key of the gateway: PEM, P-256, mode 0600; needed with store file"),
    ] = None
    device_certificate: Annotated[
        SitePath, About("certificate of that key, signed by the city's authority: PEM")
    ]
    pin_file: Annotated[
        SitePath | None,
        About(
            "file with the PIN of the token or of the key in the TPM, mode 0600;"
            " needed with store pkcs11"
        ),
    ] = None
    pkcs11_module: Annotated[
        SitePath | None, About("shared library that speaks to the token; needed with store pkcs11")
    ] = None
    pkcs11_token: Annotated[
        Annotated[str, Limits(min_length=1, max_length=32)] | None,
        About("label of the token; needed with store pkcs11"),
    ] = None
    pkcs11_key: Annotated[
        Annotated[str, Limits(min_length=1, max_length=255)] | None,
        About("label of the private key in the token; needed with store pkcs11"),
    ] = None
    tpm2_handle: Annotated[
        Annotated[str, Limits(pattern=TPM_HANDLE)] | None,
        About("persistent handle of the key in the TPM; needed with store tpm2"),
    ] = None
    tpm2_tcti: Annotated[
        str, Limits(min_length=1, max_length=255), About("how tpm2-tools reach the TPM")
    ] = "device:/dev/tpmrm0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions(Section):
    """Who may open what the gateway seals."""

    id: Annotated[ConsumerId, NAME, About("name of the consumer")]
    audiences: Annotated[
        list[Annotated[Audience, NAME]],
        Limits(min_length=1),
        About("audiences of points it is entitled to"),
    ]
    hpke_keys: Annotated[
        list[SitePath],
        Limits(min_length=1),
        About("files with its public HPKE keys; old and new may overlap"),
    ]
    sign_keys: Annotated[
        list[SitePath],
        Limits(min_length=1),
        About("PEM files with the public keys that may acknowledge in its name"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkOptions(Section):
    """The way to a consumer. A single one may stand as `[uplink]`."""

    consumer: Annotated[ConsumerId, NAME, About("which consumer is reached this way")]
    host: Annotated[
        str,
        Limits(min_length=1, max_length=253),
        About("name or address of the platform's MQTT broker"),
    ]
    port: Annotated[int, Limits(ge=1, le=65_535), About("TCP port of the broker")] = 8883
    tls: Annotated[bool, About("TLS 1.3; may be false only when the host is this machine")] = True
    ca: Annotated[
        SitePath | None, About("authority of the broker's certificate: PEM; needed with tls")
    ] = None
    certificate: Annotated[
        SitePath | None,
        About("client certificate; left out with store file: keys.device_certificate"),
    ] = None
    key: Annotated[
        SitePath | None,
        About("key of the client certificate; left out with store file: keys.device_key"),
    ] = None
    keep_alive_s: Annotated[
        int, Limits(ge=5, le=3600), About("silence after which the link is tested, in seconds")
    ] = 60
    connect_timeout_s: Annotated[
        float, Limits(gt=0, le=120), About("how long a connection may take, in seconds")
    ] = 10.0
    gather_s: Annotated[
        float,
        Limits(ge=0, le=60),
        About(
            "how long readings wait to go out together, in seconds: less traffic on a"
            " metered link; events and alarms never wait"
        ),
    ] = 0.0
    history_kib_per_min: Annotated[
        int,
        Limits(ge=0, le=1_048_576),
        About(
            "what readings that were kept may take of the link in a minute, in KiB; 0: all"
            " they can; alarms, events and the newest state never wait"
        ),
    ] = 0
    window: Annotated[
        int,
        Limits(ge=1, le=1000),
        About("batches on their way at most before the platform acknowledges, a count"),
    ] = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOptions(OpenSection):
    """What devices are connected to. The other options are those of the medium."""

    id: Annotated[LineId, NAME, About("name of the line")]
    medium: Annotated[Name, About("kind of the line: an installed medium")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions(OpenSection):
    """One device. The other options are those of the driver."""

    id: Annotated[DeviceId, NAME, About("name of the device")]
    line: Annotated[LineId, NAME, About("the line it is connected to")]
    driver: Annotated[Name, About("how it speaks: an installed driver")]
    enabled: Annotated[bool, About("false: checked, but not polled")] = True
    retries: Annotated[
        int, Limits(ge=0, le=10), About("how often a poll is repeated before it has failed")
    ] = 1
    heartbeat_s: Annotated[
        float,
        Limits(ge=1, le=86_400),
        About("an unchanged value is told again after so many seconds"),
    ] = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions(Section):
    """What the gateway tells of itself."""

    enabled: Annotated[bool, About("false: the gateway tells nothing of itself")] = True
    period_s: Annotated[
        float, Limits(ge=1, le=3600), About("how often it measures itself, in seconds")
    ] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Section):
    """A whole site file."""

    gateway: GatewayOptions
    store: StoreOptions = field(default_factory=StoreOptions)
    keys: KeyOptions
    consumer: Annotated[list[ConsumerOptions], Limits(min_length=1)]
    uplink: Annotated[list[UplinkOptions], Limits(min_length=1), OneOrSeveral()]
    line: list[LineOptions] = field(default_factory=list)
    device: list[DeviceOptions] = field(default_factory=list)
    health: HealthOptions = field(default_factory=HealthOptions)

    def mistake(self, section: str, option: str, message: str) -> Mistake:
        """Return a mistake about an option that was found when the agent used it."""
        return self.mistake_at((section, option), message)

    def mistake_at(self, path: KeyPath, message: str) -> Mistake:
        """Return a mistake about what stands at `path`; the agent knows no lines."""
        return Mistake(Path(), 0, option_name(path), message)


def is_this_machine(host: str) -> bool:
    """Say whether `host` is certain to be the machine itself: a loopback address or localhost."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
