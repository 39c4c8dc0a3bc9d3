"""Any bytes as a Wiren Board template: a profile, or a reason."""

from __future__ import annotations

from contextlib import suppress

from drivers.modbus.wb.json_text import TemplateError
from drivers.modbus.wb.template import import_template


def one(data: bytes) -> None:
    """Read the bytes as a text."""
    with suppress(TemplateError):
        import_template(data.decode("utf-8", "replace"), "thing.json")
