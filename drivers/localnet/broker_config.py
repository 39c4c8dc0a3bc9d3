"""Options of a local broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from drivers.localnet.secrets import is_secret
from gateway.model.options import About, Checked, Limits, Options, SitePath

FINGERPRINT = r"^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig(Options):
    """Options of one broker: on the board, or in the local network. Never that of the uplink."""

    host: Annotated[
        str, Limits(min_length=1), About("name or address of the broker in the local network")
    ] = "127.0.0.1"
    port: Annotated[int, Limits(ge=1, le=65_535), About("TCP port; with TLS often 8883")] = 1883
    client_id: Annotated[
        str,
        Limits(pattern="^[0-9A-Za-z_-]{1,23}$"),
        About("our name at this broker; two clients of one name end each other"),
    ] = "mayak"
    username: Annotated[
        Annotated[str, Limits(min_length=1, max_length=256)] | None,
        About("who we are at this broker"),
    ] = None
    password_file: Annotated[
        Annotated[SitePath, Checked(is_secret)] | None,
        About("file with our password, readable by its owner only"),
    ] = None
    tls: Annotated[bool, About("speak TLS")] = False
    ca_file: Annotated[SitePath | None, About("authority that signed the broker's certificate")] = (
        None
    )
    fingerprint: Annotated[
        Annotated[str, Limits(pattern=FINGERPRINT)] | None,
        About("or SHA-256 of the broker's very certificate, in hex"),
    ] = None
    keep_alive_s: Annotated[
        int, Limits(ge=5, le=3600), About("silence after which the broker is asked for a sign")
    ] = 30
    connect_timeout_s: Annotated[
        float, Limits(gt=0, le=60), About("how long a connection may take, in seconds")
    ] = 5.0
    longest_message: Annotated[
        int, Limits(ge=64, le=1_048_576), About("bytes; longer messages are refused")
    ] = 65_536
    most_per_s: Annotated[
        float,
        Limits(gt=0, le=10_000),
        About("messages a second of all devices together; beyond that the broker has to wait"),
    ] = 500.0

    def __post_init__(self) -> None:
        """Refuse options that do not go together.

        Raises:
            ValueError: with the reason.
        """
        if self.password_file is not None and self.username is None:
            msg = "password_file needs username"
            raise ValueError(msg)
        if not self.tls and (self.ca_file is not None or self.fingerprint is not None):
            msg = "ca_file and fingerprint need tls = true"
            raise ValueError(msg)
        if self.ca_file is not None and self.fingerprint is not None:
            msg = "give either ca_file or fingerprint"
            raise ValueError(msg)
