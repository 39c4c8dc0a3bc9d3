"""Options as a site file's check makes them, and a Modbus device with its register map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from drivers.modbus.config import ModbusConfig, ModbusDevice, prepare
from gateway.config.checking import adapter
from gateway.model.options import SITE_DIR, Options

OptionsT = TypeVar("OptionsT", bound=Options)


def checked(
    model: type[OptionsT], options: Mapping[str, object], site_dir: Path | None = None
) -> OptionsT:
    """Check a table of options; raises pydantic's ValidationError."""
    return adapter(model).validate_python(options, context={SITE_DIR: site_dir})


def modbus_device(site_dir: Path | None = None, **options: object) -> ModbusDevice:
    """Check the options of a Modbus device and read its profile."""
    return prepare(checked(ModbusConfig, options, site_dir), site_dir)
