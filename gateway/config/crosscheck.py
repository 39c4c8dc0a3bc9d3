"""Mistakes that no option shows alone: names that stand twice, names that lead nowhere.

Works on the values as they stand in the file, so that a mistake elsewhere hides none of these.
What is not of the right type is passed over: the models say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.config.checking import adapter, names_of
from gateway.config.document import Document
from gateway.config.site import KeyOptions, Site, is_this_machine
from gateway.config.wording import allowed, found, listed, nearest
from gateway.messages.catalogue import text
from gateway.messages.formatting import Language
from gateway.model.errors import KeyPath, Mistake

Table = Mapping[str, Any]  # Any: as TOML has them
_NAMED: Final = ("consumer", "line", "device")
"""Sections of which each element has an `id` of its own."""


class _StoreOptions(NamedTuple):
    """The options of one kind of key store."""

    needs: tuple[str, ...]
    may: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        return frozenset(self.needs + self.may)


_STORES: Final = {
    "file": _StoreOptions(("device_key",)),
    "pkcs11": _StoreOptions(("pkcs11_module", "pkcs11_token", "pkcs11_key", "pin_file")),
    "tpm2": _StoreOptions(("tpm2_handle",), ("tpm2_tcti", "pin_file")),
}
_KEY_OPTIONS: Final = frozenset(names_of(KeyOptions))


def crosscheck(document: Document, lang: Language) -> list[Mistake]:
    """Return the mistakes between options of different tables."""
    return [
        *_ids_twice(document, lang),
        *_lines_of_devices(document, lang),
        *_keys(document, lang),
        *_uplink(document, lang),
        *_client_key(document, lang),
    ]


def tables(document: Document, section: str) -> Iterator[tuple[KeyPath, Table]]:
    """Yield the tables under `[[section]]` with their paths."""
    elements = document.tree.get(section)
    if isinstance(elements, list):
        for place, table in enumerate(elements):
            if isinstance(table, Mapping):
                yield (section, place), table


def uplink_paths(site: Site, document: Document) -> list[KeyPath]:
    """Return where each uplink stands: a single one may be `[uplink]`."""
    if isinstance(document.tree.get("uplink"), Mapping):
        return [("uplink",)]
    return [("uplink", place) for place in range(len(site.uplink))]


def no_such(value: str, known: Iterable[str], lang: Language) -> str:
    """Return the message that a name leads nowhere, with those that do."""
    names = list(known)
    near = nearest(value, names)
    return text(
        "config-no-such-near" if near else "config-no-such",
        lang,
        found=found(value, lang),
        near=found(near, lang) if near else "",
        allowed=listed(names, lang, quote='"'),
    )


def files_not_there(site: Site, document: Document, lang: Language) -> list[Mistake]:
    """Return the files of keys and certificates that are named and are not there now."""
    return [
        document.mistake(path, text("config-file-missing", lang, file=str(file)))
        for path, file in _key_files(site, document)
        if not file.is_file()
    ]


def _key_files(site: Site, document: Document) -> Iterator[tuple[KeyPath, Path]]:
    keys = site.keys
    yield ("keys", "device_certificate"), keys.device_certificate
    for option in ("device_key", "pin_file", "pkcs11_module"):
        if file := getattr(keys, option):
            yield ("keys", option), file
    for place, consumer in enumerate(site.consumer):
        for number, file in enumerate(consumer.hpke_keys):
            yield ("consumer", place, "hpke_keys", number), file
        for number, file in enumerate(consumer.sign_keys):
            yield ("consumer", place, "sign_keys", number), file
    for uplink, path in zip(site.uplink, uplink_paths(site, document), strict=True):
        for option in ("ca", "certificate", "key"):
            if chosen := getattr(uplink, option):
                yield (*path, option), chosen


def _ids(document: Document, section: str) -> list[str]:
    ids = [table.get("id") for _, table in tables(document, section)]
    return list(dict.fromkeys(each for each in ids if isinstance(each, str)))


def _ids_twice(document: Document, lang: Language) -> Iterator[Mistake]:
    for section in _NAMED:
        first: dict[str, int] = {}
        for path, table in tables(document, section):
            name, where = table.get("id"), (*path, "id")
            if not isinstance(name, str):
                continue
            line = document.positions.find(where).line
            if name in first:
                message = text(
                    "config-id-twice",
                    lang,
                    found=found(name, lang),
                    first=first[name],
                    second=line,
                )
                yield document.mistake(where, message)
            first.setdefault(name, line)


def _lines_of_devices(document: Document, lang: Language) -> Iterator[Mistake]:
    known = _ids(document, "line")
    for path, table in tables(document, "device"):
        line = table.get("line")
        if isinstance(line, str) and line not in known:
            yield document.mistake((*path, "line"), no_such(line, known, lang))


def _keys(document: Document, lang: Language) -> Iterator[Mistake]:
    """Tell which options the chosen key store needs, and which are of another one."""
    keys = document.tree.get("keys")
    if not isinstance(keys, Mapping):
        return
    store = _store(keys)
    if store is None:
        return
    meant = {nearest(name, _KEY_OPTIONS) for name in keys if name not in _KEY_OPTIONS}
    for name in _STORES[store].needs:
        if name not in keys and name not in meant:
            schema = adapter(KeyOptions).json_schema()
            what = allowed(schema["properties"][name], schema, lang, name=name)
            message = text("config-missing", lang, name=name, allowed=what)
            yield document.mistake(("keys", name), message)
    foreign = _KEY_OPTIONS - _STORES[store].all - {"store", "device_certificate"}
    for name in keys:
        if name in foreign:
            owners = [each for each, options in _STORES.items() if name in options.all]
            message = text(
                "config-key-store",
                lang,
                name=name,
                allowed=listed(owners, lang, quote='"'),
                store=found(store, lang),
            )
            yield document.mistake(("keys", name), message)


def _store(keys: Table) -> str | None:
    store = keys.get("store", "file")
    return store if isinstance(store, str) and store in _STORES else None


def _client_key(document: Document, lang: Language) -> Iterator[Mistake]:
    """Tell that TLS needs a key file of its own when the device key does not leave its store."""
    keys = document.tree.get("keys")
    store = keys.get("store", "file") if isinstance(keys, Mapping) else "file"
    if not isinstance(store, str) or store == "file" or store not in _STORES:
        return
    for path, uplink in _uplinks(document):
        for name in ("certificate", "key"):
            if name not in uplink and uplink.get("tls", True) is True:
                message = text("config-client-key", lang, name=name, store=found(store, lang))
                yield document.mistake((*path, name), message)


def _uplinks(document: Document) -> Iterator[tuple[KeyPath, Table]]:
    """Yield the uplinks with their paths, one `[uplink]` or several `[[uplink]]`."""
    single = document.tree.get("uplink")
    if isinstance(single, Mapping):
        yield ("uplink",), single
    else:
        yield from tables(document, "uplink")


def _uplink(document: Document, lang: Language) -> Iterator[Mistake]:
    known = _ids(document, "consumer")
    first: dict[str, int] = {}
    for path, uplink in _uplinks(document):
        consumer, where = uplink.get("consumer"), (*path, "consumer")
        if isinstance(consumer, str):
            line = document.positions.find(where).line
            if consumer not in known:
                yield document.mistake(where, no_such(consumer, known, lang))
            elif consumer in first:
                name = found(consumer, lang)
                message = text(
                    "config-uplink-twice", lang, found=name, first=first[consumer], second=line
                )
                yield document.mistake(where, message)
            first.setdefault(consumer, line)
        host, tls = uplink.get("host"), uplink.get("tls", True)
        if tls is False and isinstance(host, str) and not is_this_machine(host):
            message = text("config-plain-far", lang, found=found(host, lang))
            yield document.mistake((*path, "tls"), message)
        if tls is True and "ca" not in uplink:
            yield document.mistake((*path, "ca"), text("config-ca-missing", lang))
