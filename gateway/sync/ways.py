"""From the uplinks of a site file to ways: where each consumer is reached, whose word counts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from gateway.config.site import ConsumerOptions, Site, UplinkOptions
from gateway.keys.platform import Signers, load_signers
from gateway.model.errors import ConfigError, KeyPath
from gateway.model.ids import Audience, ConsumerId
from gateway.sync.session import Broker, TlsFiles, client_context


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one consumer."""

    consumer: ConsumerId
    audiences: frozenset[Audience]
    """What it is entitled to."""
    signers: Signers
    """Whose acknowledgements count."""
    broker: Broker
    options: UplinkOptions


def ways(site: Site) -> list[Way]:
    """Return the ways to all consumers that have one, in the order of the file.

    Raises:
        ConfigError: a key or certificate cannot be used.
    """
    consumers = {consumer.id: consumer for consumer in site.consumer}
    found: list[Way] = []
    for place, uplink in enumerate(site.uplink):
        path: KeyPath = ("uplink", place)
        taken = {(way.broker.host, way.broker.port) for way in found}
        found.append(_way(site, uplink, path, consumers[uplink.consumer], taken))
    return found


def _way(
    site: Site,
    uplink: UplinkOptions,
    path: KeyPath,
    consumer: ConsumerOptions,
    taken: set[tuple[str, int]],
) -> Way:
    files = _files(site, uplink, path)
    # A broker ends the first of two clients with one id (MQTT 5.0 §3.1.4).
    again = (uplink.host, uplink.port) in taken
    broker = Broker(
        uplink.host,
        uplink.port,
        uplink.keep_alive_s,
        uplink.connect_timeout_s,
        None if files is None else _context(site, files, path),
        f"{site.gateway.id}@{consumer.id}" if again else site.gateway.id,
        files,
    )
    signers = load_signers(consumer.sign_keys)
    return Way(consumer.id, frozenset(consumer.audiences), signers, broker, uplink)


def _files(site: Site, uplink: UplinkOptions, path: KeyPath) -> TlsFiles | None:
    if not uplink.tls:
        return None
    certificate = uplink.certificate or site.keys.device_certificate
    key = uplink.key or site.keys.device_key
    if uplink.ca is None or key is None:
        message = "needed with tls: the authority of the broker's certificate, and a key file"
        raise ConfigError([site.mistake_at((*path, "key" if key is None else "ca"), message)])
    return TlsFiles(uplink.ca, certificate, key)


def _context(site: Site, files: TlsFiles, path: KeyPath) -> ssl.SSLContext:
    try:
        return client_context(files.ca, files.certificate, files.key)
    except OSError as error:
        message = f"{files.ca} with {files.certificate} and {files.key}: {error}"
        raise ConfigError([site.mistake_at((*path, "ca"), message)]) from error
