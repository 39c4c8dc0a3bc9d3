"""The local network as a scene knows it: its lines, and its kinds of twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.grounds import Grounds, Kind, LineKind
from simulators.localnet.options import (
    AirOptions,
    BrokerTwinOptions,
    CounterOptions,
    LocalBrokerSpec,
    LocalHttpSpec,
    ShellyOptions,
    TasmotaOptions,
    ZigbeeOptions,
)
from simulators.twin import Twin

MEDIA: Final = frozenset({"mqtt-local"})


def _lay(spec: LocalBrokerSpec, grounds: Grounds) -> Any:  # Any: a RunningBroker
    from simulators.localnet.line import lay  # noqa: PLC0415 - only when named

    return lay(spec, grounds)


def _broker(spec: BrokerTwinOptions, grounds: Grounds) -> Twin:
    from simulators.localnet.line import BrokerTwin, broker  # noqa: PLC0415 - only when named

    twin = BrokerTwin(spec, grounds.truth)
    broker(grounds.line(spec.line)).broker = twin
    return twin


def _device(name: str) -> Callable[[Any, Grounds], Twin]:
    def hang(spec: Any, grounds: Grounds) -> Twin:  # Any: options of its own kind
        from simulators.localnet import line, twins  # noqa: PLC0415 - only when named

        build: Any = getattr(twins, name)  # Any: the class of that kind
        twin: twins.MqttTwin = build(spec, grounds.truth)
        line.broker(grounds.line(spec.line)).join(twin)
        return twin

    return hang


HTTP: Final = frozenset({"http-local"})


def _lay_http(spec: LocalHttpSpec, grounds: Grounds) -> Any:  # Any: a RunningHttp
    from simulators.localnet.http_line import lay  # noqa: PLC0415 - only when named

    return lay(spec, grounds)


def _site_options(address: Any) -> dict[str, object]:  # Any: an HttpAddress
    return {"hook_host": address.host, "hook_port": address.hook_port}


def _shelly(spec: ShellyOptions, grounds: Grounds) -> Twin:
    from simulators.localnet.http_line import http  # noqa: PLC0415 - only when named
    from simulators.localnet.http_twins import ShellyTwin  # noqa: PLC0415 - likewise

    line = http(grounds.line(spec.line))
    twin = ShellyTwin(spec, grounds.truth, line.host)
    line.serve(twin)
    return twin


def _counter(spec: CounterOptions, grounds: Grounds) -> Twin:
    from simulators.localnet.http_line import http  # noqa: PLC0415 - only when named
    from simulators.localnet.http_twins import CounterTwin  # noqa: PLC0415 - likewise

    line = http(grounds.line(spec.line))
    twin = CounterTwin(spec, grounds.truth, line.gateway)
    line.teller(twin)
    return twin


KINDS: Final = (
    Kind(
        BrokerTwinOptions,
        MEDIA,
        _broker,
        frozenset({"silent", "flood", "liar", "short", "replay", "impostor"}),
    ),
    Kind(AirOptions, MEDIA, _device("AirTwin")),
    Kind(TasmotaOptions, MEDIA, _device("TasmotaTwin")),
    Kind(ZigbeeOptions, MEDIA, _device("ZigbeeTwin")),
    Kind(ShellyOptions, HTTP, _shelly, frozenset({"flood"})),
    Kind(CounterOptions, HTTP, _counter, frozenset({"slow", "exception", "redirect"})),
)
LINES: Final = (
    LineKind(LocalBrokerSpec, _lay),
    LineKind(LocalHttpSpec, _lay_http, site_options=_site_options),
)
