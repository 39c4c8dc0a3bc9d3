"""Every packaged scene is a site: its file is sound, and all of them run at once, to the end."""

from __future__ import annotations

import json
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.config.loading import read as read_site
from gateway.model.errors import ConfigError
from gateway.plugins.assembling import assemble
from simulators.demo.show import Scoreboard, screen
from simulators.demo.sites import ALL, example_lines, kinds, part_of, site_of, write_files
from simulators.programs.children import mayak, output_of
from simulators.scene import load_scene, packaged

SITES = [kind for kind in kinds() if kind != ALL]
FAMILIES = {
    "modbus", "modbus-pulses", "sds011", "pms5003", "mh_z19", "sdi12", "nmea0183", "mbus", "osdp",
    "wiegand", "rdm6300", "gpio-input", "gpio-counter", "gpio-output", "gpio-pwm", "w1-therm",
    "iio", "hwmon", "serial-profile", "led-board", "places-display", "barrier",
    "bthome", "ruuvi", "ibeacon", "eddystone", "ble-manufacturer", "ble-gatt",
}  # fmt: skip
"""Drivers that `mayak demo all` shows at least once."""


def test_every_scene_has_a_side_of_the_site() -> None:
    assert sorted(SITES) == packaged()


def test_everything_at_once_has_a_device_of_every_family() -> None:
    assert {device["driver"] for device in part_of(ALL).devices} >= FAMILIES


@pytest.mark.parametrize("kind", SITES)
def test_a_site_is_sound_but_for_its_keys(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(site_of(kind, example_lines(kind), 8883), encoding="utf-8")
    write_files(kind, tmp_path)
    assembly = assemble(read_site(file))
    assert {str(device.id) for device in assembly.devices} == {
        device["id"] for device in part_of(kind).devices
    }


@pytest.mark.parametrize("kind", SITES)
def test_the_devices_of_a_site_are_twins_of_its_scene(kind: str) -> None:
    scene = load_scene(kind)
    lines = {twin.id: twin.line for twin in scene.twin}
    for device in part_of(kind).devices:
        assert lines.get(device["id"]) == device["line"], device["id"]


def test_a_printed_site_says_what_a_technician_would_write() -> None:
    told = tomllib.loads(site_of("lighting", example_lines("lighting"), 8883))
    assert {line["id"] for line in told["line"]} == {"meter-net", "cabinet-485"}


def test_a_site_with_a_mistake_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = site_of("park", example_lines("park"), 8883)
    file.write_text(text.replace('"senseair-sunrise"', '"senseair"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean senseair-sunrise"):
        assemble(read_site(file))


def test_the_summary_shows_one_point_of_each_device_when_none_is_named() -> None:
    rows: list[dict[str, Any]] = [  # Any: JSON values
        {"device": "a", "point": "x", "value": None, "cause": "stale", "unit": "1", "age_s": 1},
        {"device": "a", "point": "y", "value": 2.5, "cause": "", "unit": "V", "age_s": 1},
        {"device": "b", "point": "z", "value": True, "cause": "", "unit": "1", "age_s": 1},
    ]
    console = Console(width=100, record=True, file=StringIO())
    console.print(screen(Scoreboard("all", "mosquitto", values=rows), "en"))
    shown = console.export_text()
    assert "2.5 V" in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert " x " not in shown


@pytest.mark.timeout(180)
async def test_all_sites_run_at_once_through_an_outage_and_a_kill(tmp_path: Path) -> None:
    code, out, err = await output_of(
        mayak(
            "demo", ALL, "--for", "20s", "--outage", "4s", "--kill", "--json",
            "--dir", str(tmp_path),
        )
    )  # fmt: skip
    assert code == 0, out + err
    verdict = json.loads(out.splitlines()[-1])
    assert verdict["clean"]
    assert (verdict["lost"], verdict["duplicated"], verdict["pending"]) == (0, 0, 0)
    assert verdict["mute"] == []
