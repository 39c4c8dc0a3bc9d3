"""Puts a site together: the options of lines and devices are checked by what they name."""

from __future__ import annotations

import re
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.config.checking import names_of, option_giving, option_named_in, validate
from gateway.config.crosscheck import Table, files_not_there, no_such, tables
from gateway.config.document import Document
from gateway.config.loading import Draft, in_order, read
from gateway.config.parts import Part, parts_of
from gateway.config.site import DeviceOptions, LineOptions, Site
from gateway.config.wording import found, listed
from gateway.messages.catalogue import text
from gateway.messages.formatting import Language
from gateway.model.driver import Manifest, MediumManifest
from gateway.model.errors import ConfigError, KeyPath, Mistake
from gateway.model.ids import LineId
from gateway.model.options import Options
from gateway.plugins.assembly import Assembly, DeviceSpec, LineSpec
from gateway.plugins.finding import Catalogue, PluginError
from gateway.plugins.places import Place

PROBES_AT_ONCE: Final = 16
"""A port that is not there may take a second to say so."""


def assemble(
    draft: Draft, catalogue: Catalogue | None = None, lang: Language | None = None
) -> Assembly:
    """Check the options of lines and devices, and put the site together.

    Args:
        draft: the site as read, so that its mistakes and those found here come at once.
        catalogue: what is installed; None asks the entry points.
        lang: language of the mistakes; None takes that of the draft.

    Raises:
        ConfigError: with every mistake, in the order of lines.
    """
    if draft.document is None:
        raise ConfigError(draft.mistakes)
    catalogue = catalogue or Catalogue.installed()
    assembler = _Assembler(catalogue, draft.document, lang or draft.lang)
    assembler.run()
    mistakes = in_order([*draft.mistakes, *assembler.mistakes])
    if mistakes or draft.site is None:
        raise ConfigError(mistakes)
    return assembler.assembly(draft.site)


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


def parts(assembly: Assembly, document: Document) -> tuple[Part, ...]:
    """Return every table with its effective values, for `explain` and `diff`.

    Args:
        assembly: a checked site.
        document: the file it was read from.
    """
    site = assembly.site
    lines = {line.id: line.config for line in assembly.lines}
    devices = {each.id: each.config for each in (*assembly.devices, *assembly.resting)}
    plugin_options: dict[KeyPath, Options] = {
        **{("line", place): lines[line.id] for place, line in enumerate(site.line)},
        **{("device", place): devices[each.id] for place, each in enumerate(site.device)},
    }
    return parts_of(site, document, plugin_options)


def not_there(assembly: Assembly, document: Document, lang: Language) -> tuple[Mistake, ...]:
    """Return what a site names and is not there now: ports and files of keys.

    Asks all ports at once and sends nothing over them.

    Args:
        assembly: a checked site.
        document: the file it was read from.
        lang: language of the mistakes.
    """
    lines = assembly.lines
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        reasons = list(pool.map(lambda line: line.manifest.probe(line.config), lines))
    ports = [
        document.mistake(
            ("line", place, *option_named_in(reason, line.config)),
            text("plugin-not-there", lang, reason=reason.rstrip(".")),
        )
        for place, (line, reason) in enumerate(zip(lines, reasons, strict=True))
        if reason is not None
    ]
    return in_order([*ports, *files_not_there(assembly.site, document, lang)])


def places(assembly: Assembly, catalogue: Catalogue) -> dict[int, str]:
    """Return where each manifest of a site stands in installed code, by `id` of the manifest."""
    drivers = {device.id: device.driver for device in assembly.site.device}
    found_in: list[tuple[object, object]] = [
        (spec.manifest, catalogue.media[line.medium])
        for spec, line in zip(assembly.lines, assembly.site.line, strict=True)
    ]
    found_in += [
        (spec.manifest, catalogue.drivers[drivers[spec.id]])
        for spec in (*assembly.devices, *assembly.resting)
    ]
    return {id(manifest): place.value for manifest, place in found_in if isinstance(place, Place)}


@dataclass(frozen=True, slots=True)
class _Checked:
    """A line or device whose options its plugin accepted."""

    path: KeyPath
    table: Table
    manifest: Any  # Any: a Manifest or a MediumManifest
    config: Options
    prepared: Any  # Any: what the driver is built from

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
                    checked.prepared,
                    options.retries,
                    options.heartbeat_s,
                ),
            )
            for options, checked in zip(site.device, self.devices, strict=True)
        ]
        return Assembly(
            site,
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
        ours = names_of(common)
        options = {name: value for name, value in table.items() if name not in ours}
        config, mistakes = validate(
            manifest.config, options, self.document, path, self.lang, also_known=ours
        )
        self.mistakes += mistakes
        if config is None:
            return
        prepared: Any = config  # Any: what the driver is built from
        if isinstance(manifest, Manifest):
            try:
                prepared = manifest.prepare(config, self.document.folder)
            except ValueError as error:
                self._refused(path, config, error)
                return
        accepted.append(_Checked(path, table, manifest, config, prepared))

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
                device.manifest.build(device.prepared, media[line])
            except ValueError as error:
                self._refused(device.path, device.config, error)

    def _refused(self, path: KeyPath, config: Options, error: ValueError) -> None:
        """Tell why a driver cannot be built, at the option that it names."""
        known = names_of(type(config))
        named = [word for word in re.findall(r"[a-z_]+", str(error)) if word in known]
        self.mistakes.append(self.document.mistake((*path, *named[:1]), f"{error}."))

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
