"""Lines and twins of a local network, as a scene names them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulators.options import LineOptions, TwinOptions


class LocalBrokerSpec(LineOptions):
    """A broker on the loopback, or one that runs already."""

    medium: Literal["mqtt-local"] = "mqtt-local"
    program: Literal["auto", "mosquitto", "iotcore", "none"] = Field(
        default="auto", description="what is started; none: the broker runs already"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on, or of the broker")
    port: int = Field(default=0, ge=0, le=65_535, description="0: a free one")


class BrokerTwinOptions(TwinOptions):
    """The broker itself, so that faults can befall it."""

    kind: Literal["mqtt-broker"] = "mqtt-broker"


class MqttTwinOptions(TwinOptions):
    """What every MQTT device has."""

    device_id: str = Field(
        default="", pattern=r"^[^+#\x00-\x1f]{0,200}$", description="in its topics; empty: its name"
    )
    interval_s: float = Field(
        default=1.0, gt=0, le=86_400, description="how often it tells, in seconds"
    )

    @property
    def place(self) -> str:
        """Return its id."""
        return self.device_id or self.id


class AirOptions(MqttTwinOptions):
    """A home-made air sensor with a fan."""

    kind: Literal["mqtt-air"] = "mqtt-air"
    retain: bool = Field(default=False, description="the broker keeps what it told last")


class TasmotaOptions(MqttTwinOptions):
    """A relay with a BME280 sensor, on Tasmota."""

    kind: Literal["tasmota-bme280"] = "tasmota-bme280"
    mean: float = Field(default=18.0, ge=-40, le=60, description="mean temperature, in degrees")


class ZigbeeOptions(MqttTwinOptions):
    """A Zigbee thermometer behind Zigbee2MQTT."""

    kind: Literal["zigbee-climate"] = "zigbee-climate"
    mean: float = Field(default=21.0, ge=-40, le=60, description="mean temperature, in degrees")


class LocalHttpSpec(LineOptions):
    """HTTP devices, each on a port of its own; and where the gateway listens for what they tell."""

    medium: Literal["http-local"] = "http-local"
    host: str = Field(default="127.0.0.1", description="address of the devices and the gateway")
    hook_port: int = Field(default=0, ge=0, le=65_535, description="of the gateway; 0: a free one")


class ShellyOptions(TwinOptions):
    """A Shelly relay of the second generation."""

    kind: Literal["shelly-gen2"] = "shelly-gen2"
    port: int = Field(default=0, ge=0, le=65_535, description="0: a free one")
    password: str = Field(default="", description="of its user admin; empty: it asks nobody")


class CounterOptions(TwinOptions):
    """A counter of people that tells by web hook."""

    kind: Literal["hook-counter"] = "hook-counter"
    hook: str = Field(default="gate", description="path at the gateway")
    token: str = Field(default="0123456789abcdef0123456789abcdef", description="its secret")
    in_path: bool = Field(default=False, description="it shows the token behind the path")
    interval_s: float = Field(default=5.0, gt=0, le=86_400, description="how often it tells")
