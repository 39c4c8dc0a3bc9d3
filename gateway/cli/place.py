"""Where the site file is: `--site`, the variable MAYAK_SITE, `site.toml` here, or in /etc."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.model.errors import GatewayError

PLACES: Final = (Path("site.toml"), Path("/etc/mayak/site.toml"))

SiteOption = Annotated[
    Path | None, typer.Option("--site", help="The site file.", envvar="MAYAK_SITE")
]


def chosen_site(site: Path | None) -> Path:
    """Return the site file that was named, or the first that is there.

    Raises:
        GatewayError: there is none.
    """
    chosen = site or next((place for place in PLACES if place.exists()), None)
    if chosen is None:
        places = ", ".join(map(str, PLACES))
        msg = f"no site file: name one with --site or MAYAK_SITE (looked for {places})"
        raise GatewayError(msg)
    return chosen
