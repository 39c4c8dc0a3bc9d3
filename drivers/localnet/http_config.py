"""Options of the medium of HTTP devices, and of one such device."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from drivers.localnet.broker_config import FINGERPRINT
from drivers.localnet.language import HttpLanguage
from drivers.localnet.secrets import is_secret
from drivers.localnet.templates import fill_path
from gateway.model.options import About, Checked, Limits, Options, SitePath

Period = Annotated[float, Limits(gt=0, le=604_800)]
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLineConfig(Options):
    """Options of the medium. Nothing listens unless `hook_port` is given."""

    longest_body: Annotated[
        int, Limits(ge=64, le=1_048_576), About("bytes; longer answers and messages are refused")
    ] = 65_536
    hook_port: Annotated[
        Annotated[int, Limits(ge=1, le=65_535)] | None,
        About("port on which devices may tell by themselves; left out: nothing listens"),
    ] = None
    hook_host: Annotated[
        str, Limits(min_length=1), About("the one address on which it listens")
    ] = "127.0.0.1"
    hook_certificate_file: Annotated[
        SitePath | None, About("certificate of ours, to listen with TLS")
    ] = None
    hook_key_file: Annotated[SitePath | None, About("and its key")] = None
    hook_timeout_s: Annotated[
        float, Limits(gt=0, le=60), About("how long a whole message may take, in seconds")
    ] = 5.0
    hook_connections: Annotated[int, Limits(ge=1, le=256), About("connections at once")] = 16

    def __post_init__(self) -> None:
        """Refuse options that do not go together.

        Raises:
            ValueError: with the reason.
        """
        if (self.hook_certificate_file is None) != (self.hook_key_file is None):
            msg = "hook_certificate_file and hook_key_file go together"
            raise ValueError(msg)


def _is_url(url: str | None, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    plain = not (parts.query or parts.fragment or parts.username or parts.path.strip("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        msg = "is no address of a device, as http://192.168.1.20 or https://name:8443"
        raise ValueError(msg)
    _ = parts.port  # raises ValueError itself


def _can_be_used(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    language(profile, site_dir)


def _is_token(path: Any, before: Mapping[str, Any], site_dir: Path | None) -> None:
    from drivers.localnet.secrets import read_secret  # noqa: PLC0415 - where it is used

    is_secret(path, before, site_dir)
    token = read_secret(path)
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isalnum():
        least = f"at least {SHORTEST_TOKEN} letters and digits"
        msg = f"{path}: a token has {least}: openssl rand -hex 16"
        raise ValueError(msg)


def _known_parameters(
    parameters: Mapping[str, str], before: Mapping[str, Any], site_dir: Path | None
) -> None:
    if "profile" not in before:
        return
    known = language(before["profile"], site_dir)
    unknown = sorted(parameters.keys() - known.parameters.keys())
    if unknown:
        allowed = ", ".join(known.parameters) or "none"
        msg = f"{', '.join(unknown)}: no parameter of {known.name}; {allowed}"
        raise ValueError(msg)
    for path in known.paths.values():
        fill_path(path, {**known.parameters, **parameters, "id": before.get("device_id", "")})


def _name_groups(
    periods: Mapping[str, float], before: Mapping[str, Any], site_dir: Path | None
) -> None:
    if "profile" not in before:
        return
    known = [group.name for group in language(before["profile"], site_dir).groups]
    unknown = [name for name in periods if name not in known]
    if unknown:
        msg = f"{', '.join(unknown)}: no group of {before['profile']}; {', '.join(known)}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig(Options):
    """Options of one device."""

    profile: Annotated[
        str,
        Limits(min_length=1),
        Checked(_can_be_used),
        About("documents: profiles/NAME.toml beside the site file, or one of Mayak's own"),
    ]
    device_id: Annotated[
        str,
        Limits(pattern=r"^[^\x00-\x1f]{1,200}$"),
        About("what stands for {id} in its profile"),
    ] = "device"
    url: Annotated[
        Annotated[str, Limits(max_length=256)] | None,
        Checked(_is_url),
        About("where it is asked, as http://192.168.1.20"),
    ] = None
    ca_file: Annotated[
        SitePath | None, About("authority that signed the certificate of the device")
    ] = None
    fingerprint: Annotated[
        Annotated[str, Limits(pattern=FINGERPRINT)] | None,
        About("or SHA-256 of its very certificate, in hex"),
    ] = None
    login: Annotated[
        Literal["none", "basic", "digest"], About("how the device wants to know who we are")
    ] = "none"
    username: Annotated[
        Annotated[str, Limits(pattern=r'^[^":\\\x00-\x1f\x7f]{1,128}$')] | None,
        About("who we are there"),
    ] = None
    password_file: Annotated[
        Annotated[SitePath, Checked(is_secret)] | None,
        About("file with our password, readable by its owner only"),
    ] = None
    hook: Annotated[
        Annotated[str, Limits(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")] | None,
        About("path under which it tells by itself"),
    ] = None
    token_file: Annotated[
        Annotated[SitePath, Checked(_is_token)] | None,
        About("file with the token that it must show, readable by its owner only"),
    ] = None
    parameters: Annotated[
        Mapping[str, str],
        Checked(_known_parameters),
        About("what stands for the other placeholders, where it is not as in the profile"),
    ] = field(default_factory=dict)
    periods: Annotated[
        Mapping[str, Period],
        Checked(_name_groups),
        About("periods in seconds, or longest silences, by name of a group"),
    ] = field(default_factory=dict)
    response_timeout_s: Annotated[
        float, Limits(gt=0, le=60), About("how long an answer may take, in seconds")
    ] = 3.0
    most_per_s: Annotated[
        float, Limits(gt=0, le=1000), About("messages a second by web hook, on average")
    ] = 2.0
    burst: Annotated[int, Limits(ge=1, le=10_000), About("and how many at once")] = 10

    def __post_init__(self) -> None:
        """Refuse options that do not go together.

        Raises:
            ValueError: with the reason.
        """
        checks = {
            "login needs username and password_file, and nothing else does": (self.login != "none")
            is not (self.username is not None and self.password_file is not None),
            "hook and token_file go together": (self.hook is None) != (self.token_file is None),
            "give either ca_file or fingerprint": self.ca_file is not None
            and self.fingerprint is not None,
            "ca_file and fingerprint need an address with https": not (self.url or "").startswith(
                "https:"
            )
            and (self.ca_file is not None or self.fingerprint is not None),
        }
        for message, wrong in checks.items():
            if wrong:
                raise ValueError(message)


@dataclass(frozen=True, slots=True)
class HttpDevice:
    """What the driver is built from: the options, and what the profile says."""

    options: HttpConfig
    language: HttpLanguage

    @property
    def values(self) -> Mapping[str, str]:
        """Return what stands for each placeholder."""
        own = self.options
        return {**self.language.parameters, **own.parameters, "id": own.device_id}


def prepare(options: HttpConfig, site_dir: Path | None) -> HttpDevice:
    """Return the options with what their profile says.

    Raises:
        ValueError: the profile cannot be used, or needs what the options do not say.
    """
    known = language(options.profile, site_dir)
    if bool(known.paths) != (options.url is not None):
        msg = f"url: {known.name} is {'asked' if known.paths else 'not asked'}"
        raise ValueError(msg)
    if bool(known.hooked) != (options.hook is not None):
        tells = "tells" if known.hooked else "does not tell"
        msg = f"hook: {known.name} {tells} by itself"
        raise ValueError(msg)
    return HttpDevice(options, known)


def address(options: HttpConfig) -> Hashable:
    """Return where it is asked, or where it tells."""
    return (options.url, options.hook, *sorted(options.parameters.items()))


def language(profile: str, site_dir: Path | None) -> HttpLanguage:
    """Return what a profile says.

    Raises:
        ValueError: it cannot be used.
    """
    from drivers.localnet.profile import load_http  # noqa: PLC0415 - never in the agent

    return load_http(profile, site_dir)


def profile_schema() -> dict[str, Any]:  # Any: a JSON Schema
    """Return what a profile may hold, for editors."""
    from drivers.localnet.schema import HttpProfileModel  # noqa: PLC0415 - never in the agent

    return HttpProfileModel.model_json_schema()
