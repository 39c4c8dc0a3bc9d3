"""`mayak ca`: a small certificate authority, see `provisioning.authority`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from rich.console import Console
from rich.table import Table

from gateway.model.clock import SystemClock
from gateway.model.ids import ConsumerId, GatewayId
from provisioning.authority import (
    DEFAULT_CONSUMER,
    LOOPBACK,
    RENEW_WITHIN,
    Authority,
    AuthorityError,
    certificates,
    common_name,
    read_certificate,
)
from provisioning.hpke import DEFAULT_KEM, Kem

ca = typer.Typer(
    help="A small certificate authority for tests, demonstrations and small cities.",
    no_args_is_help=True,
    add_completion=False,
)

Folder = Annotated[Path, typer.Argument(help="Folder of the authority.", file_okay=False)]
Gateways = Annotated[list[str] | None, typer.Option("--gateway", help="Id of a gateway; repeat.")]
Consumers = Annotated[
    list[str] | None, typer.Option("--consumer", help="Id of a consumer; repeat.")
]
KemOption = Annotated[Kem, typer.Option(help="How epoch keys are wrapped to a consumer.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@ca.command()
def new(
    folder: Folder,
    gateway: Gateways = None,
    consumer: Consumers = None,
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address of the broker; repeat.")
    ] = None,
    kem: KemOption = DEFAULT_KEM,
    as_json: Json = False,
) -> None:
    """Make an authority: its broker, gateways and consumers. Refuses where one stands already."""
    with _refusals():
        Authority.create(
            folder,
            SystemClock(),
            gateways=[GatewayId(name) for name in gateway or ()],
            consumers=[ConsumerId(name) for name in consumer or (DEFAULT_CONSUMER,)],
            hosts=tuple(host or LOOPBACK),
            kem=kem,
        )
        _tell_files(folder, _files(folder), as_json=as_json)


@ca.command()
def add(
    folder: Folder,
    gateway: Gateways = None,
    consumer: Consumers = None,
    kem: KemOption = DEFAULT_KEM,
    as_json: Json = False,
) -> None:
    """Issue for further gateways and consumers."""
    with _refusals():
        before = set(_files(folder))
        Authority.load(folder).add(
            SystemClock(),
            gateways=[GatewayId(name) for name in gateway or ()],
            consumers=[ConsumerId(name) for name in consumer or ()],
            kem=kem,
        )
        made = [path for path in _files(folder) if path not in before]
        _tell_files(folder, made, as_json=as_json)


@ca.command()
def certify(
    folder: Folder,
    gateway: Annotated[str, typer.Option(help="Id of the gateway.")],
    public_key: Annotated[Path, typer.Option(help="Public key in PEM, P-256.", dir_okay=False)],
    as_json: Json = False,
) -> None:
    """Issue for a gateway's key that was made elsewhere: in a token or a TPM."""
    with _refusals():
        authority = Authority.load(folder)
        made = authority.certify(SystemClock(), GatewayId(gateway), public_key.read_bytes())
        _tell_files(folder, [made], as_json=as_json)


@ca.command()
def rotate(
    folder: Folder,
    consumer: Annotated[str, typer.Option(help="Id of the consumer.")],
    kem: KemOption = DEFAULT_KEM,
    as_json: Json = False,
) -> None:
    """Make the next signing pair and HPKE pair of a consumer; the old ones stay."""
    with _refusals():
        made = Authority.load(folder).rotate(ConsumerId(consumer), kem)
        _tell_files(folder, made, as_json=as_json)


@ca.command()
def renew(
    folder: Folder,
    within_days: Annotated[
        int, typer.Option(min=0, help="Renew what expires within so many days.")
    ] = RENEW_WITHIN.days,
    as_json: Json = False,
) -> None:
    """Issue again, for the same keys, what expires soon."""
    with _refusals():
        renewed = Authority.load(folder).renew(SystemClock(), within=timedelta(days=within_days))
        _tell_files(folder, renewed, as_json=as_json)


@ca.command()
def show(folder: Folder, as_json: Json = False) -> None:
    """List the certificates: for whom, as what, until when."""
    with _refusals():
        Authority.load(folder)
        now = SystemClock().now().utc
        rows = [_row(folder, path, read_certificate(path)) for path in certificates(folder)]
        if as_json:
            typer.echo(json.dumps({"folder": str(folder), "certificates": rows}))
            return
        table = Table("file", "name", "use", "valid until", "days left")
        for path, row in zip(certificates(folder), rows, strict=True):
            until = read_certificate(path).not_valid_after_utc
            left = str((until - now).days)
            table.add_row(row["file"], row["name"], row["use"], f"{until:%Y-%m-%d}", left)
        table.columns[0].overflow = "fold"
        Console().print(table)


def _row(folder: Path, path: Path, certificate: x509.Certificate) -> dict[str, str]:
    return {
        "file": str(path.relative_to(folder)),
        "name": common_name(certificate),
        "use": _use(certificate),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "serial": f"{certificate.serial_number:x}",
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def _use(certificate: x509.Certificate) -> str:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return "authority"
    return "server" if ExtendedKeyUsageOID.SERVER_AUTH in usage else "client"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _tell_files(folder: Path, files: list[Path] | tuple[Path, ...], *, as_json: bool) -> None:
    names = [str(path.relative_to(folder)) for path in files]
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "files": names}))
        return
    console = Console(highlight=False)
    console.print(f"{len(names)} files in {folder}:" if names else "Nothing to do.")
    for name in names:
        console.print(f"  {name}", markup=False)


@contextmanager
def _refusals() -> Iterator[None]:
    """Say what the authority or the system refused, and end with 1."""
    try:
        yield
    except (AuthorityError, OSError) as error:
        Console(stderr=True, highlight=False).print(str(error), markup=False)
        raise typer.Exit(1) from error
