"""MQTT devices: what they tell, what they are told, and what can be wrong with them."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from simulators.faults import Impostor, Liar, Replay, Short, Silent
from simulators.localnet.client import TwinClient, Will
from simulators.localnet.options import (
    AirOptions,
    MqttTwinOptions,
    TasmotaOptions,
    ZigbeeOptions,
)
from simulators.truth import TruthJournal
from simulators.twin import Twin, spoiled

DAY_S: Final = 86_400.0
HUGE: Final = 200_000
"""Bytes of a message that is too long for anybody."""

Message = tuple[str, dict[str, Any]]  # Any: what JSON holds
"""A topic, and what is told there."""


class MqttTwin(Twin):
    """One device. Its line lets it tell from time to time."""

    def __init__(self, options: MqttTwinOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth)
        self.device_id: Final = options.device_id or options.id
        self.interval_s: Final = options.interval_s
        self.rng: Final = Random(options.seed)
        self._began_s: float | None = None
        self.time_s = 0.0
        self._first: list[tuple[str, bytes]] = []
        self.client: Final = TwinClient(
            f"twin-{options.id}", self.will(), self.order_topics(), self._ordered
        )

    # For a kind of device

    @abstractmethod
    def will(self) -> Will | None:
        """Return what the broker says when it is gone."""

    @abstractmethod
    def birth(self) -> Will | None:
        """Return what it says when it comes."""

    def order_topics(self) -> Sequence[str]:
        """Return where it takes orders."""
        return ()

    def obey(self, topic: str, payload: bytes) -> None:
        """Carry out an order."""

    @abstractmethod
    def messages(self) -> Sequence[Message]:
        """Return what it has to tell now."""

    @abstractmethod
    def wrong(self) -> dict[str, Any]:  # Any: what JSON holds
        """Return a document with values that cannot be, for its first topic."""

    @property
    def retain(self) -> bool:
        """Say whether the broker is to keep what it tells."""
        return False

    # What all share

    def power_on(self) -> None:
        """Be as after power-up."""

    def advance(self, now_s: float) -> None:
        """Let the time pass."""
        if self._began_s is None:
            self._began_s = now_s
        self.time_s = now_s - self._began_s

    def about(self) -> dict[str, object]:
        """Return how it is known."""
        return {"device_id": self.device_id, "connected": self.client.connected}

    def arrived(self) -> None:
        """Say that it is there."""
        said = self.birth()
        if said is not None:
            self.client.publish(said[0], said[1].encode(), retain=True)

    def tell(self) -> None:
        """Tell what it has to tell, as its faults allow."""
        if self.off or not self.client.connected:
            return
        struck = self.strike()
        faults = [fault for fault, _ in struck]
        if any(isinstance(fault, Silent) for fault in faults):
            return
        wire = [(topic, json.dumps(said).encode()) for topic, said in self.messages()]
        self._first = self._first or wire
        whole = not spoiled(struck)
        retain = self.retain
        for fault in faults:
            match fault:
                case Replay():
                    wire, retain = self._first, True
                case Liar():
                    wire = [(wire[0][0], self._lie(fault))]
                case Short():
                    wire = [(topic, raw[: -fault.missing] or b"{") for topic, raw in wire]
                case Impostor():
                    wire = [self._impostor(fault, wire[0][0])]
                case _:
                    pass
        for topic, raw in wire:
            self.client.publish(topic, raw, retain=retain)
        self.sent()
        # What goes out at QoS 0 may reach nobody: it is no truth that a judge could ask for.
        self.answers += whole

    def _lie(self, fault: Liar) -> bytes:
        if fault.how == "length":
            return json.dumps({"padding": "x" * HUGE}).encode()
        return b"[" * 500 if fault.how == "count" else json.dumps(self.wrong()).encode()

    def _impostor(self, fault: Impostor, topic: str) -> tuple[str, bytes]:
        said = json.dumps(self.wrong() | {"id": "somebody-else"}).encode()
        return (topic if fault.same_topic else f"{topic}/somebody-else"), said

    def _ordered(self, topic: str, payload: bytes) -> None:
        struck = self.strike()
        if self.hears(struck):
            self.obey(topic, payload)
            if not any(isinstance(fault, Silent) for fault, _ in struck):
                self.tell()


class AirTwin(MqttTwin):
    """A home-made air sensor with a fan."""

    def __init__(self, options: AirOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        self._retain = options.retain
        super().__init__(options, truth)
        self.mode = "slow"
        self.target = 800.0

    @property
    def retain(self) -> bool:
        """Say whether the broker is to keep what it tells."""
        return self._retain

    @property
    def co2(self) -> float:
        """Return the carbon dioxide now, in ppm."""
        return round(700 + 150 * math.sin(self.time_s / 60), 1)

    def will(self) -> Will:
        """Return what the broker says when it is gone."""
        return f"site/{self.device_id}/status", "offline"

    def birth(self) -> Will:
        """Return what it says when it comes."""
        return f"site/{self.device_id}/status", "online"

    def order_topics(self) -> Sequence[str]:
        """Return where it takes orders."""
        return (f"site/{self.device_id}/set",)

    def power_on(self) -> None:
        """Be as after power-up."""
        self.mode = "slow"

    def obey(self, topic: str, payload: bytes) -> None:
        """Set the fan or the target."""
        del topic
        order = json.loads(payload)
        if order.get("mode") in {"off", "slow", "fast"}:
            self.mode = order["mode"]
        if isinstance(order.get("target"), int | float):
            self.target = float(order["target"])

    def messages(self) -> Sequence[Message]:
        """Return the air and the fan."""
        said = {
            "id": self.device_id,
            "answers": self.answers + 1,
            "air": {"co2": self.co2},
            "mode": self.mode,
            "target": self.target,
        }
        return [(f"site/{self.device_id}/air", said)]

    def wrong(self) -> dict[str, Any]:  # Any: what JSON holds
        """Return a document with values that cannot be."""
        return {
            "id": self.device_id,
            "answers": self.answers + 1,
            "air": {"co2": [612]},
            "mode": {"is": 7},
            "target": "warm",
        }


class TasmotaTwin(MqttTwin):
    """A relay with a BME280 sensor, on Tasmota."""

    def __init__(self, options: TasmotaOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        self._mean = options.mean
        super().__init__(options, truth)
        self.switched_on = False

    def will(self) -> Will:
        """Return what the broker says when it is gone."""
        return f"tele/{self.device_id}/LWT", "Offline"

    def birth(self) -> Will:
        """Return what it says when it comes."""
        return f"tele/{self.device_id}/LWT", "Online"

    def order_topics(self) -> Sequence[str]:
        """Return where it takes orders."""
        return (f"cmnd/{self.device_id}/POWER",)

    def power_on(self) -> None:
        """Be off after power-up."""
        self.switched_on = False

    def obey(self, topic: str, payload: bytes) -> None:
        """Switch the relay, and say so at once."""
        del topic
        order = payload.decode("utf-8", "replace").upper()
        if order in {"ON", "OFF"}:
            self.switched_on = order == "ON"
            said = json.dumps({"POWER": order}).encode()
            self.client.publish(f"stat/{self.device_id}/RESULT", said)

    @property
    def temperature(self) -> float:
        """Return the temperature now."""
        return round(self._mean + 4 * math.sin(2 * math.pi * self.time_s / DAY_S), 1)

    def messages(self) -> Sequence[Message]:
        """Return the sensor and the relay."""
        air = {"Temperature": self.temperature, "Humidity": 55.0, "Pressure": 1003.2}
        units = {"PressureUnit": "hPa", "TempUnit": "C"}
        return [
            (f"tele/{self.device_id}/SENSOR", {"BME280": air, **units}),
            (f"tele/{self.device_id}/STATE", {"POWER": "ON" if self.switched_on else "OFF"}),
        ]

    def wrong(self) -> dict[str, Any]:  # Any: what JSON holds
        """Return a document with values that cannot be."""
        air = {"Temperature": "hot", "Humidity": -5, "Pressure": None}
        return {"BME280": air, "PressureUnit": "hPa", "TempUnit": "C"}


class ZigbeeTwin(MqttTwin):
    """A Zigbee thermometer behind Zigbee2MQTT."""

    def __init__(self, options: ZigbeeOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        self._mean = options.mean
        super().__init__(options, truth)

    def will(self) -> Will:
        """Return what is said when it is gone."""
        return f"zigbee2mqtt/{self.device_id}/availability", '{"state":"offline"}'

    def birth(self) -> Will:
        """Return what is said when it comes."""
        return f"zigbee2mqtt/{self.device_id}/availability", '{"state":"online"}'

    @property
    def temperature(self) -> float:
        """Return the temperature now."""
        return round(self._mean + 2 * math.sin(2 * math.pi * self.time_s / DAY_S), 2)

    def messages(self) -> Sequence[Message]:
        """Return temperature and humidity."""
        said = {"temperature": self.temperature, "humidity": 44.72, "battery": 97}
        return [(f"zigbee2mqtt/{self.device_id}", said)]

    def wrong(self) -> dict[str, Any]:  # Any: what JSON holds
        """Return a document with values that cannot be."""
        return {"temperature": "warm", "humidity": 444}
