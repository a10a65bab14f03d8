"""Check the store that several machines share (``set store``)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ....adapters.postgres.urls import shown_url
from ....flows.outcome import ExitCode, PollFailed
from .findings import Finding, error, note, ok, warning

if TYPE_CHECKING:
    from ....adapters.postgres.session import Session

SETTINGS = ("server_version", "fsync", "full_page_writes", "transaction_read_only")
UNSAFE = "a crash of its machine may damage it, and mail that was deleted may be missing"


def check_store(url: str, place: str) -> Iterator[Finding]:
    """Check whether the store can be used. Nothing is created there."""
    if find_spec("psycopg") is None:
        hint = "pip install mailhaul[postgres]"
        yield error("store", "store", "psycopg is missing", place, hint, ExitCode.IOERR)
        return
    from ....adapters.postgres.database import Database
    from ....adapters.postgres.schema import VERSION, check_version, version_of

    version = 0

    def look(session: Session, url: str) -> None:
        nonlocal version
        version = version_of(session)
        check_version(version, url)

    database = Database(url, look)
    query = ", ".join(f"current_setting('{name}')" for name in SETTINGS)
    try:
        [found] = database.write(lambda db: db.execute(f"SELECT {query}").fetchall())
    except PollFailed as failure:
        text = str(failure).partition(": ")[2]
        yield error("store", "store", text, place, "", ExitCode.IOERR)
        return
    finally:
        database.close()
    number, fsync, full_pages, read_only = found
    shown = shown_url(url)
    if read_only == "on":
        text = "this server only reads: it is a standby"
        hint = "name the primary server, or all of them with target_session_attrs=read-write"
        yield error("store", "store", text, place, hint, ExitCode.IOERR)
        return
    if version == 0:
        text = f"{shown}: its tables are not there yet; the first poll creates them"
        yield note("store", "store", text, place)
    elif version < VERSION:
        text = f"{shown}: its tables are older (version {version}); the first poll upgrades them"
        yield note("store", "store", text, place)
    else:
        text = f"{shown}, PostgreSQL {number.split()[0]}, tables of version {version}"
        yield ok("store", "store", text, place)
    for name, value in (("fsync", fsync), ("full_page_writes", full_pages)):
        if value == "off":
            yield warning(
                "store-safety", "store", f"{name} is off: {UNSAFE}", place, f"set {name} = on"
            )
