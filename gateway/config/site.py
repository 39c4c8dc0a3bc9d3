"""The site file: every option with its type, range, unit (in the name) and description.

A line and a device carry, beside the options here, those of their medium or driver; only the
plugins know these (`gateway.plugins` checks them). Paths are relative to the site file: validate
with `context={"site_dir": Path}`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
)

from gateway.config.document import Document, option_name
from gateway.config.positions import KeyPath
from gateway.messages.formatting import Language
from gateway.model.errors import Mistake
from gateway.model.ids import NAME_PATTERN, Audience, ConsumerId, DeviceId, GatewayId, LineId

LOOPBACK_NAMES: Final = frozenset({"localhost"})
TPM_HANDLE: Final = r"^0x81[0-9A-Fa-f]{6}$"
"""Persistent handles (TPM 2.0 Library, Part 2, TPM_HT_PERSISTENT)."""


def _beside_the_site_file(value: object, info: ValidationInfo) -> object:
    """Make a path that is relative to the site file absolute; leave what is no path to pydantic."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        return value
    context: Mapping[str, Path] = info.context or {}
    return context.get("site_dir", Path()) / value


SitePath = Annotated[Path, BeforeValidator(_beside_the_site_file)]
"""A path in the site file, relative to its folder."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Section(BaseModel):
    """What all sections share: an unknown option is refused, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class OpenSection(Section):
    """A section whose other options belong to a plugin."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:  # Any: as TOML has them; the plugin's model checks them
        """Return the options that belong to the plugin."""
        return dict(self.model_extra or {})


class GatewayOptions(Section):
    """Who this gateway is."""

    id: Annotated[GatewayId, Field(pattern=NAME_PATTERN)] = Field(
        description="name of the gateway, its own in the city; the certificate names it too"
    )
    title: str = Field(default="", max_length=120, description="name of the site, for people")
    language: Language = Field(
        default="ru", description="language of what the gateway says to people of the site"
    )


class StoreOptions(Section):
    """What is kept until the platform has it."""

    path: SitePath = Field(
        default=Path("var/store.db"),
        validate_default=True,
        description="the file of the store; its folder is made when it is not there",
    )
    max_mib: int = Field(
        default=512, ge=16, le=1_048_576, description="largest size of the store, in MiB"
    )
    seal_every_s: float = Field(
        default=1.0,
        ge=0.05,
        le=1.0,
        description="how long a reading may wait before it is sealed and durable, in seconds",
    )
    epoch_hours: float = Field(
        default=4.0, ge=0.25, le=24.0, description="life of one sealing key, in hours"
    )
    kem: Literal["mlkem768-x25519", "x25519"] = Field(
        default="mlkem768-x25519",
        description="how a sealing key is wrapped for a consumer: hybrid post-quantum, or X25519",
    )


class KeyOptions(Section):
    """Who the gateway proves to be."""

    store: Literal["file", "pkcs11", "tpm2"] = Field(
        default="file", description="where the private key of the gateway is kept"
    )
    device_key: SitePath | None = Field(
        default=None,
        description="private key of the gateway: PEM, P-256, mode 0600; needed with store file",
    )
    device_certificate: SitePath = Field(
        description="certificate of that key, signed by the city's authority: PEM"
    )
    pin_file: SitePath | None = Field(
        default=None,
        description="file with the PIN of the token or of the key in the TPM, mode 0600;"
        " needed with store pkcs11",
    )
    pkcs11_module: SitePath | None = Field(
        default=None,
        description="shared library that speaks to the token; needed with store pkcs11",
    )
    pkcs11_token: str | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        description="label of the token; needed with store pkcs11",
    )
    pkcs11_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="label of the private key in the token; needed with store pkcs11",
    )
    tpm2_handle: str | None = Field(
        default=None,
        pattern=TPM_HANDLE,
        description="persistent handle of the key in the TPM; needed with store tpm2",
    )
    tpm2_tcti: str = Field(
        default="device:/dev/tpmrm0",
        min_length=1,
        max_length=255,
        description="how tpm2-tools reach the TPM",
    )


class ConsumerOptions(Section):
    """Who may open what the gateway seals."""

    id: Annotated[ConsumerId, Field(pattern=NAME_PATTERN)] = Field(
        description="name of the consumer"
    )
    audiences: list[Annotated[Audience, Field(pattern=NAME_PATTERN)]] = Field(
        min_length=1, description="audiences of points it is entitled to"
    )
    hpke_keys: list[SitePath] = Field(
        min_length=1, description="files with its public HPKE keys; old and new may overlap"
    )
    sign_keys: list[SitePath] = Field(
        min_length=1,
        description="PEM files with the public keys that may acknowledge in its name",
    )


class UplinkOptions(Section):
    """The way to a consumer. A single one may stand as `[uplink]`."""

    consumer: Annotated[ConsumerId, Field(pattern=NAME_PATTERN)] = Field(
        description="which consumer is reached this way"
    )
    host: str = Field(
        min_length=1, max_length=253, description="name or address of the platform's MQTT broker"
    )
    port: int = Field(default=8883, ge=1, le=65_535, description="TCP port of the broker")
    tls: bool = Field(
        default=True, description="TLS 1.3; may be false only when the host is this machine"
    )
    ca: SitePath | None = Field(
        default=None, description="authority of the broker's certificate: PEM; needed with tls"
    )
    certificate: SitePath | None = Field(
        default=None,
        description="client certificate; left out with store file: keys.device_certificate",
    )
    key: SitePath | None = Field(
        default=None,
        description="key of the client certificate; left out with store file: keys.device_key",
    )
    keep_alive_s: int = Field(
        default=60, ge=5, le=3600, description="silence after which the link is tested, in seconds"
    )
    connect_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="how long a connection may take, in seconds"
    )
    gather_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="how long readings wait to go out together, in seconds: less traffic on a"
        " metered link; events and alarms never wait",
    )
    history_kib_per_min: int = Field(
        default=0,
        ge=0,
        le=1_048_576,
        description="what readings that were kept may take of the link in a minute, in KiB; 0: all"
        " they can; alarms, events and the newest state never wait",
    )
    window: int = Field(
        default=64,
        ge=1,
        le=1000,
        description="batches on their way at most before the platform acknowledges, a count",
    )


class LineOptions(OpenSection):
    """What devices are connected to. The other options are those of the medium."""

    id: Annotated[LineId, Field(pattern=NAME_PATTERN)] = Field(description="name of the line")
    medium: Name = Field(description="kind of the line: an installed medium")


class DeviceOptions(OpenSection):
    """One device. The other options are those of the driver."""

    id: Annotated[DeviceId, Field(pattern=NAME_PATTERN)] = Field(description="name of the device")
    line: Annotated[LineId, Field(pattern=NAME_PATTERN)] = Field(
        description="the line it is connected to"
    )
    driver: Name = Field(description="how it speaks: an installed driver")
    enabled: bool = Field(default=True, description="false: checked, but not polled")
    retries: int = Field(
        default=1,
        ge=0,
        le=10,
        description="how often a poll is repeated before it has failed",
    )
    heartbeat_s: float = Field(
        default=60.0,
        ge=1,
        le=86_400,
        description="an unchanged value is told again after so many seconds",
    )


class HealthOptions(Section):
    """What the gateway tells of itself."""

    enabled: bool = Field(default=True, description="false: the gateway tells nothing of itself")
    period_s: float = Field(
        default=10.0, ge=1, le=3600, description="how often it measures itself, in seconds"
    )


def _one_or_several(value: object) -> object:
    """Take a single table as a list of one."""
    return [value] if isinstance(value, Mapping) else value


def _schema_of_one_or_several(schema: dict[str, Any]) -> None:  # Any: a JSON Schema
    several = {name: schema.pop(name) for name in ("type", "items", "minItems")}
    schema["anyOf"] = [several["items"], several]


class Site(Section):
    """A whole site file."""

    gateway: GatewayOptions
    store: StoreOptions = Field(default_factory=StoreOptions)
    keys: KeyOptions
    consumer: list[ConsumerOptions] = Field(min_length=1)
    uplink: Annotated[list[UplinkOptions], BeforeValidator(_one_or_several)] = Field(
        min_length=1, json_schema_extra=_schema_of_one_or_several
    )
    line: list[LineOptions] = Field(default_factory=list)
    device: list[DeviceOptions] = Field(default_factory=list)
    health: HealthOptions = Field(default_factory=HealthOptions)

    _document: Document | None = PrivateAttr(default=None)

    @property
    def document(self) -> Document | None:
        """Return the file it was read from; None for a site that was made in code."""
        return self._document

    @property
    def uplink_paths(self) -> list[KeyPath]:
        """Return where each uplink stands: a single one may be `[uplink]`."""
        if self._document is not None and isinstance(self._document.tree.get("uplink"), Mapping):
            return [("uplink",)]
        return [("uplink", place) for place in range(len(self.uplink))]

    def mistake(self, section: str, option: str, message: str) -> Mistake:
        """Return a mistake about an option, with its place when the site was read from a file."""
        return self.mistake_at((section, option), message)

    def mistake_at(self, path: KeyPath, message: str) -> Mistake:
        """Return a mistake about what stands at `path`, with its place when there is a file."""
        if self._document is not None:
            return self._document.mistake(path, message)
        return Mistake(Path(), 0, option_name(path), message)

    def read_from(self, document: Document | None) -> Site:
        """Return this site as one that was read from `document`."""
        copy = self.model_copy()
        copy._document = document  # noqa: SLF001 - our own
        return copy


def is_this_machine(host: str) -> bool:
    """Say whether `host` is certain to be the machine itself: a loopback address or localhost."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
