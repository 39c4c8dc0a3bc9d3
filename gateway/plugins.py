"""Drivers and media: found by entry point, loaded only when a site names them.

An entry point under `gateway.drivers` names a `Manifest`, one under `gateway.media` a
`MediumManifest`; nothing here knows any of them by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from gateway.config.checking import option_giving, option_named_in, validate
from gateway.config.crosscheck import Table, files_not_there, no_such, tables
from gateway.config.document import Document
from gateway.config.loading import Draft, in_order, read
from gateway.config.parts import Part, parts_of
from gateway.config.positions import KeyPath
from gateway.config.site import DeviceOptions, LineOptions, Site
from gateway.config.wording import found, listed
from gateway.messages.catalogue import language, text
from gateway.messages.formatting import Language
from gateway.model.driver import Manifest, MediumManifest
from gateway.model.errors import ConfigError, GatewayError, Mistake
from gateway.model.ids import DeviceId, LineId

DRIVERS: Final = "gateway.drivers"
MEDIA: Final = "gateway.media"
PROBES_AT_ONCE: Final = 16
"""A port that is not there may take a second to say so."""

ManifestT = TypeVar("ManifestT", Manifest, MediumManifest)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is installed, by name; each is loaded when it is asked for."""

    drivers: Mapping[str, Callable[[], object]]
    """Loaders; each returns a `Manifest`."""
    media: Mapping[str, Callable[[], object]]
    """Loaders; each returns a `MediumManifest`."""

    @classmethod
    def installed(cls) -> Catalogue:
        """Return what the entry points name, loading none of it."""
        return cls(
            {entry.name: entry.load for entry in entry_points(group=DRIVERS)},
            {entry.name: entry.load for entry in entry_points(group=MEDIA)},
        )

    def driver(self, name: str) -> Manifest:
        """Load one driver.

        Raises:
            KeyError: there is none of that name.
            PluginError: it is installed and cannot be loaded.
        """
        return _loaded(self.drivers[name], Manifest)

    def medium(self, name: str) -> MediumManifest:
        """Load one medium.

        Raises:
            KeyError: there is none of that name.
            PluginError: it is installed and cannot be loaded.
        """
        return _loaded(self.media[name], MediumManifest)

    def load_all(self) -> tuple[tuple[MediumManifest, ...], tuple[Manifest, ...]]:
        """Load all that is installed: for the schema, never at agent start.

        Raises:
            PluginError: one of it cannot be loaded.
        """
        media = tuple(self.medium(name) for name in sorted(self.media))
        return media, tuple(self.driver(name) for name in sorted(self.drivers))


class PluginError(GatewayError):
    """A driver or medium is installed and cannot be loaded; told as a mistake of the site file."""


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One line, checked."""

    id: LineId
    manifest: MediumManifest
    config: Any  # Any: an instance of `manifest.config`


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device, checked."""

    id: DeviceId
    line: LineId
    manifest: Manifest
    config: Any  # Any: an instance of `manifest.config`
    retries: int
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class Assembly:
    """A whole site, checked: what the agent is built from."""

    site: Site
    lines: tuple[LineSpec, ...]
    devices: tuple[DeviceSpec, ...]
    """Those that are enabled."""
    resting: tuple[DeviceSpec, ...] = ()
    """Those that are not: checked, and left alone."""

    def parts(self) -> tuple[Part, ...]:
        """Return every table with its effective values, for `explain` and `diff`."""
        lines = {line.id: line.config for line in self.lines}
        devices = {device.id: device.config for device in (*self.devices, *self.resting)}
        plugin_options: dict[KeyPath, BaseModel] = {
            **{("line", place): lines[line.id] for place, line in enumerate(self.site.line)},
            **{("device", place): devices[each.id] for place, each in enumerate(self.site.device)},
        }
        return parts_of(self.site, plugin_options)

    def count_points(self) -> int:
        """Return how many points the devices have; builds the drivers, opens nothing."""
        media = {line.id: line.manifest.build(line.id, line.config) for line in self.lines}
        return sum(
            len(group.table)
            for device in self.devices
            for group in device.manifest.build(device.config, media[device.line]).groups
        )

    def not_there(self, document: Document, lang: Language) -> tuple[Mistake, ...]:
        """Return what the site names and is not there now: ports and files of keys.

        Asks all ports at once and sends nothing over them.

        Args:
            document: the file the site was read from.
            lang: language of the mistakes.
        """
        with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
            reasons = list(pool.map(lambda line: line.manifest.probe(line.config), self.lines))
        places = {line.id: ("line", place) for place, line in enumerate(self.site.line)}
        ports = [
            document.mistake(
                (*places[line.id], *option_named_in(reason, line.config)),
                text("plugin-not-there", lang, reason=reason.rstrip(".")),
            )
            for line, reason in zip(self.lines, reasons, strict=True)
            if reason is not None
        ]
        return in_order([*ports, *files_not_there(self.site, document, lang)])


def assemble(
    site: Site | Draft, catalogue: Catalogue | None = None, lang: Language | None = None
) -> Assembly:
    """Check the options of lines and devices, and put the site together.

    Args:
        site: as loaded; a draft, so that its mistakes and those found here come at once.
        catalogue: what is installed; None asks the entry points.
        lang: language of the mistakes; None takes that of the draft or the terminal.

    Raises:
        ConfigError: with every mistake, in the order of lines.
        ValueError: the site was made in code and stands in no file.
    """
    catalogue = catalogue or Catalogue.installed()
    if isinstance(site, Site):
        document = site.document
        if document is None:
            msg = "a site that was made in code stands in no file: load it with gateway.config"
            raise ValueError(msg)
        site = Draft(document, site, (), lang or language())
    if site.document is None:
        raise ConfigError(site.mistakes)
    assembler = _Assembler(catalogue, site.document, lang or site.lang)
    assembler.run()
    mistakes = in_order([*site.mistakes, *assembler.mistakes])
    if mistakes or site.site is None:
        raise ConfigError(mistakes)
    return assembler.assembly(site.site)


def assemble_file(
    path: Path, catalogue: Catalogue | None = None, lang: Language | None = None
) -> Assembly:
    """Load a site file and put the site together; the mistakes of both come at once.

    Args:
        path: the site file.
        catalogue: what is installed; None asks the entry points.
        lang: language of the mistakes; None takes that of the terminal.

    Raises:
        ConfigError: with every mistake, in the order of lines.
    """
    return assemble(read(path, lang), catalogue)


def _loaded(load: Callable[[], object], kind: type[ManifestT]) -> ManifestT:
    try:
        manifest = load()
    except (ImportError, AttributeError) as error:
        raise PluginError(str(error)) from error
    if not isinstance(manifest, kind):
        msg = f"it is a {type(manifest).__name__}, not a {kind.__name__}"
        raise PluginError(msg)
    return manifest


@dataclass(frozen=True, slots=True)
class _Checked:
    """A line or device whose options its plugin accepted."""

    path: KeyPath
    table: Table
    manifest: Any  # Any: a Manifest or a MediumManifest
    config: BaseModel

    @property
    def id(self) -> str:
        return str(self.table.get("id", ""))


@dataclass(slots=True)
class _Assembler:
    """Checks the tables of one document against what is installed."""

    catalogue: Catalogue
    document: Document
    lang: Language
    mistakes: list[Mistake] = field(default_factory=list)
    lines: list[_Checked] = field(default_factory=list)
    devices: list[_Checked] = field(default_factory=list)

    def run(self) -> None:
        """Check all lines, then all devices; collect what is right and what is wrong."""
        for path, table in tables(self.document, "line"):
            manifest = self._manifest(path, table, "medium")
            self._check(path, table, manifest, LineOptions, self.lines)
        self._ports()
        for path, table in tables(self.document, "device"):
            manifest = self._manifest(path, table, "driver")
            self._check(path, table, manifest, DeviceOptions, self.devices)
            if isinstance(manifest, Manifest):
                self._speaks_over(path, table, manifest)
        self._addresses()
        self._together()

    def assembly(self, site: Site) -> Assembly:
        """Return the whole; every table was accepted."""
        lines = tuple(
            LineSpec(options.id, checked.manifest, checked.config)
            for options, checked in zip(site.line, self.lines, strict=True)
        )
        devices = [
            (
                options.enabled,
                DeviceSpec(
                    options.id,
                    options.line,
                    checked.manifest,
                    checked.config,
                    options.retries,
                    options.heartbeat_s,
                ),
            )
            for options, checked in zip(site.device, self.devices, strict=True)
        ]
        # The text of the file and the places in it are for messages; the agent does not keep them.
        return Assembly(
            site.read_from(None),
            lines,
            tuple(device for enabled, device in devices if enabled),
            tuple(device for enabled, device in devices if not enabled),
        )

    def _say(self, path: KeyPath, key: str, **args: str | int) -> None:
        self.mistakes.append(self.document.mistake(path, text(key, self.lang, **args)))

    def _manifest(
        self, path: KeyPath, table: Table, option: str
    ) -> Manifest | MediumManifest | None:
        """Load what a table names; None when that is a mistake, told here or by the models."""
        name = table.get(option)
        if not isinstance(name, str):
            return None
        known = self.catalogue.media if option == "medium" else self.catalogue.drivers
        if name not in known:
            message = no_such(name, sorted(known), self.lang)
            self.mistakes.append(self.document.mistake((*path, option), message))
            return None
        load = self.catalogue.medium if option == "medium" else self.catalogue.driver
        try:
            return load(name)
        except PluginError as error:
            shown = found(name, self.lang)
            self._say((*path, option), "plugin-broken", found=shown, reason=str(error))
            return None

    def _check(
        self,
        path: KeyPath,
        table: Table,
        manifest: Manifest | MediumManifest | None,
        common: type[LineOptions | DeviceOptions],
        accepted: list[_Checked],
    ) -> None:
        if manifest is None:
            return
        ours = tuple(common.model_fields)
        options = {name: value for name, value in table.items() if name not in ours}
        config, mistakes = validate(
            manifest.config, options, self.document, path, self.lang, also_known=ours
        )
        self.mistakes += mistakes
        if config is not None:
            accepted.append(_Checked(path, table, manifest, config))

    def _speaks_over(self, path: KeyPath, table: Table, manifest: Manifest) -> None:
        """Tell a device whose driver cannot use the medium of its line."""
        line = table.get("line")
        medium = next(
            (
                each.get("medium")
                for _, each in tables(self.document, "line")
                if each.get("id") == line
            ),
            None,
        )
        if (
            isinstance(medium, str)
            and medium in self.catalogue.media
            and medium not in manifest.media
        ):
            self._say(
                (*path, "line"),
                "plugin-wrong-medium",
                line=found(line, self.lang),
                medium=found(medium, self.lang),
                driver=found(manifest.name, self.lang),
                allowed=listed(manifest.media, self.lang),
            )

    def _ports(self) -> None:
        seen: dict[Hashable, _Checked] = {}
        for line in self.lines:
            port = line.manifest.resource(line.config)
            first = seen.setdefault((line.manifest.name, port), line)
            if first is not line:
                self._twice("plugin-same-port", first, line, port, {"port": _said(port)})

    def _addresses(self) -> None:
        seen: dict[Hashable, _Checked] = {}
        for device in self.devices:
            line = device.table.get("line")
            if not isinstance(line, str) or device.table.get("enabled") is False:
                continue
            address = device.manifest.address(device.config)
            first = seen.setdefault((line, address), device)
            if first is not device:
                args = {"line": found(line, self.lang), "address": _said(address)}
                self._twice("plugin-same-address", first, device, address, args)

    def _together(self) -> None:
        """Tell options that are right alone and do not go with the line. Opens nothing."""
        media = {line.id: line.manifest.build(LineId(line.id), line.config) for line in self.lines}
        names = {line.id: line.manifest.name for line in self.lines}
        for device in self.devices:
            line = device.table.get("line")
            if not isinstance(line, str) or names.get(line) not in device.manifest.media:
                continue
            try:
                device.manifest.build(device.config, media[line])
            except ValueError as error:
                fields = type(device.config).model_fields
                named = [word for word in re.findall(r"[a-z_]+", str(error)) if word in fields]
                at = (*device.path, *named[:1])
                self.mistakes.append(self.document.mistake(at, f"{error}."))

    def _twice(
        self, key: str, first: _Checked, second: _Checked, value: Hashable, args: dict[str, str]
    ) -> None:
        """Tell that two tables name one thing, at the option of the second that names it."""
        at = self._option_of(second, value)
        self._say(
            at,
            key,
            first=found(first.id, self.lang),
            second=found(second.id, self.lang),
            first_line=self.document.positions.find(self._option_of(first, value)).line,
            second_line=self.document.positions.find(at).line,
            **args,
        )

    @staticmethod
    def _option_of(checked: _Checked, value: Hashable) -> KeyPath:
        return (*checked.path, *option_giving(value, checked.config, checked.table))


def _said(value: Hashable) -> str:
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return str(value)
