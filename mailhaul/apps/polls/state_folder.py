"""Where the ledger, the locks and the control socket live.

A message that one ledger knows would be fetched again with another one. So an existing ledger is
used, whatever the environment of this run says. ``XDG_STATE_HOME`` decides only where a new one is
created, and a link at the usual place leads there: cron does not set that variable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...adapters.config.caller import Caller
from ...adapters.config.settings import GlobalSettings
from ...adapters.folders import make_private_folder
from ...flows.outcome import ExitCode, PollFailed

if TYPE_CHECKING:
    from ...adapters.ledger.store import SqliteLedger, SqlLedger

NAME = "mailhaul"

USUAL = (".local", "state", NAME)

LEDGER = "ledger.db"


def state_folder(
    caller: Caller, environ: Mapping[str, str], settings: GlobalSettings | None = None
) -> str:
    """Return the first folder that holds a ledger, else the first where one can be created.

    ``settings`` name files of the user, for the case that the home is another user's. Raises
    PollFailed (IOERR) if there is no such folder.
    """
    if caller.private_home is not None:
        return os.path.join(caller.private_home, NAME)
    usual, new = usual_folder(caller), named_folder(environ)
    beside_idfile, beside_pidfile = named_in(caller, settings)
    for folder in (usual, *new, *beside_idfile, *beside_pidfile):
        if holds_ledger(folder):
            return folder
    for folder in (*new, usual):
        if may_write(folder):
            return folder
    # Another user's home. The folder of the pidfile comes last: a restart empties /run.
    home = [os.path.join(caller.account_home, *USUAL)] if caller.account_home else []
    for folder in (*home, *beside_idfile, *beside_pidfile):
        if holds_ledger(folder):
            return folder
    for folder in (*beside_idfile, *home, *beside_pidfile):
        if may_write(folder):
            return folder
    raise PollFailed(
        ExitCode.IOERR,
        f"the folder {(*new, usual)[0]} for the ledger cannot be made or written to; name one of "
        "your own with XDG_STATE_HOME, or another home with FETCHMAILHOME",
    )


def usual_folder(caller: Caller) -> str:
    """Return the default folder."""
    return os.path.join(caller.home, *USUAL)


def named_folder(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the folder that the environment names, if it does (a relative path is ignored)."""
    state = environ.get("XDG_STATE_HOME", "")
    return [os.path.join(state, NAME)] if os.path.isabs(state) else []


def named_in(
    caller: Caller, settings: GlobalSettings | None
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the folders of the idfile and the pidfile, if the user named these."""
    idfile = settings.idfile if settings and settings.idfile != caller.idfile else ""
    pidfile = (settings.pidfile if settings else None) or ""
    beside_idfile, beside_pidfile = (
        [os.path.join(os.path.dirname(path), NAME)] if path else [] for path in (idfile, pidfile)
    )
    return beside_idfile, beside_pidfile


def holds_ledger(folder: str) -> bool:
    """Whether this folder has a ledger, or a link whose target is missing now."""
    return os.path.islink(folder) or os.path.lexists(os.path.join(folder, LEDGER))


def store_of(settings: GlobalSettings | None) -> str:
    """Return the URL of the store, or "" for the file in the state folder."""
    store = settings.store if settings else None
    text = store.reveal().decode("utf-8", "surrogateescape") if store else ""
    return "" if text.lower() == "sqlite" else text


def ledger_of(folder: str, settings: GlobalSettings | None) -> SqlLedger:
    """Return the ledger that ``set store`` names; by default it is a file in this folder.

    Nothing is opened or created yet. Raises PollFailed (IOERR) without psycopg.
    """
    if url := store_of(settings):
        from .shared_store import shared_ledger  # few users have one

        return shared_ledger(url)
    from ...adapters.ledger.store import SqliteLedger

    return SqliteLedger(os.path.join(folder, LEDGER))


def ledger_copy_of(folder: str, settings: GlobalSettings) -> SqliteLedger:
    """Return a copy in memory of the ledger that ``set store`` names.

    Raises PollFailed (IOERR) without psycopg.
    """
    if url := store_of(settings):
        from .shared_store import shared_copy  # few users have one

        return shared_copy(url)
    from ...adapters.ledger.copy import LedgerCopy

    return LedgerCopy(os.path.join(folder, LEDGER))


def may_write(folder: str) -> bool:
    """Whether the user may create files in this folder, which is created if it is missing.

    A file in its place is another error, which is reported when the ledger is opened.
    """
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        return True
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def link_usual_folder(folder: str, caller: Caller) -> None:
    """Create a link at the usual place to a folder elsewhere, if nothing is there yet.

    Without a link, other runs find the folder as this one did.
    """
    usual = usual_folder(caller)
    if caller.private_home is not None or folder == usual or os.path.lexists(usual):
        return
    try:
        make_private_folder(folder)
        make_private_folder(os.path.dirname(usual))
        os.symlink(folder, usual)
    except OSError:
        return


def second_ledger(folder: str, caller: Caller, environ: Mapping[str, str]) -> str:
    """Return the path of a second ledger that this run does not use, or an empty string."""
    if caller.private_home is not None:
        return ""
    for other in named_folder(environ):
        path = os.path.join(other, LEDGER)
        ours = os.path.join(folder, LEDGER)
        if os.path.exists(path) and os.path.realpath(path) != os.path.realpath(ours):
            return path
    return ""


def socket_path(caller: Caller, settings: GlobalSettings | None = None) -> str:
    """Return the path of the control socket of this user's daemon. Raises PollFailed (IOERR).

    The daemon passes its ``settings``, so that it finds the folder of its ledger.
    """
    return os.path.join(state_folder(caller, os.environ, settings), "control")
