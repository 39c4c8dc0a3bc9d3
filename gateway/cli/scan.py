"""`mayak scan`: find the devices of a line and say what they are. Only reads.

The line must be free: an agent that works on it is stopped first.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.cli.place import SiteOption, chosen_site
from gateway.config.loading import read as read_site
from gateway.messages.catalogue import language, text
from gateway.messages.formatting import Language
from gateway.model.discovery import Discover, Found, Scope
from gateway.model.driver import Medium, MediumManifest
from gateway.model.errors import GatewayError
from gateway.model.ids import LineId
from gateway.plugins.assembling import assemble
from gateway.plugins.finding import Catalogue, PluginError
from gateway.scanning.proposal import proposal
from gateway.scanning.quiet import Manners
from gateway.scanning.scan import Scan, Seen, characters, keep_in, load_progress

scan = typer.Typer(help="Find the devices of a line, and say what they are.")

LAST_ADDRESS: Final = 247
_RANGE: Final = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class Where:
    """A line to search."""

    manifest: MediumManifest
    options: Any  # Any: an instance of the medium's options
    told: Mapping[str, Any]  # Any: values of options
    """What stands of it in a site file."""
    site_dir: Path | None


def addresses(written: str) -> list[int]:
    """Return the addresses of `1-32,40`.

    Raises:
        typer.BadParameter: it is written otherwise.
    """
    found: list[int] = []
    for part in written.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            msg = f"{part!r}: write addresses as 1-32,40"
            raise typer.BadParameter(msg)
        first = int(match[1])
        last = int(match[2] or first)
        if not 0 <= first <= last <= LAST_ADDRESS:
            msg = f"{part!r}: addresses go from 0 to {LAST_ADDRESS}"
            raise typer.BadParameter(msg)
        found.extend(range(first, last + 1))
    return list(dict.fromkeys(found))


@scan.command()
def scan_command(
    line: Annotated[
        str | None, typer.Argument(metavar="[LINE]", help="id in the site file")
    ] = None,
    *,
    site: SiteOption = None,
    port: Annotated[str | None, typer.Option(help="serial port, without a site file")] = None,
    host: Annotated[str | None, typer.Option(help="HOST[:PORT], likewise")] = None,
    driver: Annotated[
        list[str] | None, typer.Option(help="look with these only; several times")
    ] = None,
    speed: Annotated[list[int] | None, typer.Option(help="bits a second; several times")] = None,
    parity: Annotated[list[str] | None, typer.Option(help="none, even, odd")] = None,
    stop_bits: Annotated[list[int] | None, typer.Option(min=1, max=2)] = None,
    address: Annotated[str, typer.Option(help="addresses to look at")] = "1-247",
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.02, max=5)] = 0.3,
    state: Annotated[Path | None, typer.Option(help="file to go on from")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin anew")] = False,
    busy: Annotated[
        bool, typer.Option("--busy", help="also on a line on which others talk")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="write the part of a site file here")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
    lang: Annotated[str | None, typer.Option(help="ru or en; default: the terminal's.")] = None,
) -> None:
    """Find the devices of a line. Sends questions only; Ctrl+C keeps what was found."""
    tongue: Language = "ru" if lang == "ru" else "en" if lang == "en" else language()
    catalogue = Catalogue.installed()
    where = _where(catalogue, line, site, port, host)
    drivers = _drivers(catalogue, where.manifest.name, driver)
    tried = tuple(characters(speed or (9600,), parity or ("none",), stop_bits or (1,)))
    given = bool(speed or parity or stop_bits) and where.manifest.name == "serial"
    wanted = addresses(address)
    file = state or Path(f"scan-{where.told['id']}.json")
    what = json.dumps(
        [dict(where.told), sorted(drivers), wanted, tried if given else None, timeout_s],
        default=str,
    )
    if fresh:
        file.unlink(missing_ok=True)
    progress = load_progress(file, what)
    console = Console(stderr=as_json)
    if progress.states and not as_json:
        console.print(text("scan-goes-on", tongue, file=str(file)), highlight=False)
    search = _Search(where, drivers, wanted, tried if given else (), timeout_s, busy, tongue)
    try:
        asyncio.run(search.run(Scan(drivers, {}, progress, keep_in(file)), console))
    except KeyboardInterrupt:
        console.print(text("scan-kept", tongue, file=str(file)), highlight=False)
    found = progress.found
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
    else:
        console.print(_table(found, tongue))
    chosen = _ask(found, tongue) if sys.stdin.isatty() and not as_json else {}
    written = proposal(where.told, found, chosen, tongue)
    if out is not None:
        out.write_text(written, encoding="utf-8")
    elif found and not as_json:
        console.print(f"\n{written}", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(0 if found else 1)


def _where(
    catalogue: Catalogue,
    line: str | None,
    site: Path | None,
    port: str | None,
    host: str | None,
) -> Where:
    """Return the line to search.

    Raises:
        GatewayError: none was named, or there is no such line.
    """
    if port is not None:
        manifest = catalogue.medium("serial")
        name = re.sub(r"[^a-z0-9]+", "-", Path(port).name.lower()).strip("-") or "serial"
        options = manifest.config(port=port)  # type: ignore[call-arg] # an option of that medium
        return Where(manifest, options, {"id": name, "medium": "serial", "port": port}, None)
    if host is not None:
        manifest = catalogue.medium("tcp")
        address, _, number = host.partition(":")
        where = {"host": address, **({"port": int(number)} if number.isdecimal() else {})}
        options = manifest.config(**where)
        name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-")
        return Where(manifest, options, {"id": name, "medium": "tcp", **where}, None)
    file = chosen_site(site)
    assembly = assemble(read_site(file))
    specs = {str(spec.id): spec for spec in assembly.lines}
    if line is None or line not in specs:
        msg = f"name a line of {file} ({', '.join(sorted(specs))}), or give --port or --host"
        raise GatewayError(msg)
    spec = specs[line]
    settings = asdict(cast("Any", spec.config))
    told = {"id": line, "medium": spec.manifest.name, **settings}
    told = {name: value for name, value in told.items() if value is not None}
    return Where(spec.manifest, spec.config, told, file.parent)


def _drivers(
    catalogue: Catalogue, medium: str, wanted: Sequence[str] | None
) -> dict[str, Discover]:
    """Return what can look for devices on such a line.

    Raises:
        GatewayError: nothing can.
    """
    found = {}
    for name in sorted(catalogue.drivers):
        if wanted and name not in wanted:
            continue
        with suppress(PluginError):  # one whose packages are not installed finds nothing
            manifest = catalogue.driver(name)
            if manifest.discover is not None and medium in manifest.media:
                found[name] = manifest.discover
    if not found:
        msg = f"nothing can look for devices on a line of medium {medium}"
        raise GatewayError(msg)
    return found


@dataclass(frozen=True, slots=True)
class _Search:
    where: Where
    drivers: Mapping[str, Discover]
    addresses: Sequence[int]
    characters: Sequence[Mapping[str, Any]]  # Any: values of options
    timeout_s: float
    busy: bool
    lang: Language

    async def run(self, scan: Scan, console: Console) -> None:
        """Search, showing how far it is.

        Raises:
            GatewayError: the line cannot be opened, is gone, or belongs to others just now.
        """
        manifest = self.where.manifest
        medium: Medium = manifest.build(LineId(str(self.where.told["id"])), self.where.options)
        await medium.open()
        try:
            manners = Manners(medium)
            foreign = await manners.listen()
            if foreign and not self.busy:
                raise GatewayError(text("scan-busy", self.lang, count=foreign))
            scope = Scope(
                self.addresses,
                self.characters,
                self.timeout_s,
                self.where.site_dir,
                manners.ready,
            )
            scan.scopes = dict.fromkeys(self.drivers, scope)
            columns = (
                TextColumn("{task.fields[driver]}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[words]}"),
            )
            with Progress(*columns, console=console, transient=True) as bar:
                task = bar.add_task("", total=1.0, driver="", words="")
                await scan.run(medium, lambda seen: self._show(bar, task, seen))
        finally:
            await medium.close()

    def _show(self, bar: Progress, task: TaskID, seen: Seen) -> None:
        words = seen.looked.words
        bar.update(task, completed=seen.share, driver=seen.driver, words=words)
        if seen.new and seen.looked.found is not None:
            bar.console.print(f"{words}: {_what(seen.looked.found)}", highlight=False)
        if seen.looked.trouble:
            bar.console.print(f"{words}: {text(seen.looked.trouble, self.lang)}", highlight=False)


def _what(found: Found) -> str:
    said = ", ".join(found.identity.values())
    best = " / ".join(match.profile for match in found.best)
    return ", ".join(filter(None, (found.driver, best, said)))


def _table(found: Sequence[Found], lang: Language) -> Table:
    table = Table(box=None)
    for key in ("address", "settings", "says", "model", "sure"):
        table.add_column(text(f"column-scan-{key}", lang))
    for each in found:
        options = dict(each.options)
        speed = " ".join(
            str(options.pop(name))
            for name in ("baud_rate", "parity", "stop_bits", "byte_size")
            if name in options
        )
        place = ", ".join(f"{name} {value}" for name, value in options.items())
        sure = f"scan-sure-{each.best[0].sureness.name.lower()}" if each.best else ""
        table.add_row(
            f"{each.driver}: {place}",
            speed,
            ", ".join(each.identity.values()),
            " / ".join(match.profile for match in each.best) or "—",
            text(sure, lang) if sure else "",
        )
    return table


def _ask(found: Sequence[Found], lang: Language) -> dict[int, str]:
    """Ask which model it is where several are as likely."""
    chosen = {}
    for place, each in enumerate(found):
        if len(each.best) > 1:
            names = [match.profile for match in each.best]
            listed = ", ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
            question = text("scan-which", lang, device=_what(each), profiles=listed)
            number = typer.prompt(question, type=int, default=0)
            if 1 <= number <= len(names):
                chosen[place] = names[number - 1]
    return chosen
