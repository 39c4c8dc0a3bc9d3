"""Is a file sound after a kill: the agent's store, the receiver's database, what was logged."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.model.errors import GatewayError
from gateway.store.inspection import verify

WAIT_S: Final = 30
ERRORS: Final = frozenset({"ERROR", "CRITICAL"})


def copy_store(store: Path, folder: Path) -> Path:
    """Copy what a killed agent left, database and log, and return the copy.

    The shared memory stays behind: the copy is opened as after a power cut, from the two alone.
    """
    folder.mkdir()
    for suffix in ("", "-wal"):
        part = store.with_name(store.name + suffix)
        if part.exists():
            shutil.copy2(part, folder / part.name)
    return folder / store.name


def store_faults(copy: Path) -> list[str]:
    """Return what `mayak store verify` says of a copy; a sound one is deleted."""
    try:
        faults = [f"{finding.where}: {finding.what}" for finding in verify(copy)]
    except GatewayError as error:
        faults = [str(error)]
    if not faults:
        shutil.rmtree(copy.parent)
    return [f"store in {copy.parent.name}: {fault}" for fault in faults]


def database_faults(database: Path) -> list[str]:
    """Return what SQLite has against the receiver's database."""
    try:
        with closing(
            sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=WAIT_S)
        ) as db:
            said = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
    except sqlite3.Error as error:
        said = [str(error)]
    return [f"receiver's database: {fault}" for fault in said if fault != "ok"]


def log_faults(folder: Path) -> list[str]:
    """Return errors that the agent logged, and tracebacks of any part."""
    faults = []
    for line in _lines(folder / "agent.log"):
        entry = _entry(line)
        if entry.get("level", "").upper() in ERRORS:
            faults.append(f"agent.log: {line[:400]}")
    torn = [
        f"{log.name}: a traceback"
        for log in sorted(folder.glob("*.log"))
        if any(line.startswith("Traceback ") for line in _lines(log))
    ]
    return faults + torn


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _entry(line: str) -> dict[str, str]:
    """Return a line of the log; a kill may cut one short, and the next goes on behind it."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
