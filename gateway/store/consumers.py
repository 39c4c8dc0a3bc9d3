"""Who is entitled to what, from the site file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config.site import Site
from gateway.keys.platform import Recipient, load_recipient
from gateway.model.errors import ConfigError, Mistake
from gateway.model.ids import Audience, ConsumerId
from gateway.store.outbox import Entitled


@dataclass(frozen=True, slots=True)
class Consumers:
    """Who is entitled to what."""

    entitled: Entitled
    """Only consumers with an uplink: nobody else can say that it has something."""
    recipients: Mapping[Audience, list[Recipient]]

    @classmethod
    def of(cls, site: Site) -> Consumers:
        """Load the keys of every consumer.

        Raises:
            ConfigError: a key is missing, or a consumer has none of the chosen kind.
        """
        entitled: dict[Audience, set[ConsumerId]] = {}
        recipients: dict[Audience, list[Recipient]] = {}
        reached = {uplink.consumer for uplink in site.uplink}
        for consumer in site.consumer:
            keys = [load_recipient(consumer.id, file) for file in consumer.hpke_keys]
            chosen = [key for key in keys if key.kem == site.store.kem]
            if not chosen:
                message = f"none of the keys is of the kind store.kem asks for: {site.store.kem}"
                option = f"consumer {consumer.id}: hpke_keys"
                raise ConfigError([Mistake(consumer.hpke_keys[0], 0, option, message)])
            for audience in consumer.audiences:
                if consumer.id in reached:
                    entitled.setdefault(audience, set()).add(consumer.id)
                recipients.setdefault(audience, []).extend(chosen)
        return cls({a: frozenset(ids) for a, ids in entitled.items()}, recipients)
