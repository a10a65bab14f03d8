"""Check the files and folders of the program itself: ledger, pidfile, log and spool."""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing

from ....adapters.config.caller import Caller
from ....adapters.config.settings import GlobalSettings
from ....adapters.files import ID_FILE, read_file
from ....adapters.ledger.copy import open_unchanged
from ....adapters.ledger.schema import VERSION
from ....adapters.ledger.store import problem_text
from ....flows.outcome import ExitCode, PollFailed
from ...polls.pidfile import default_pidfile, running
from ...polls.sinks import spool_folder
from ...polls.state_folder import LEDGER, second_ledger, state_folder, store_of
from ..screen import size_in_words
from .findings import Finding, error, from_failure, note, ok, warning

FEW_OCTETS = 100 * 1024 * 1024
"""Free space below which mail may soon not fit."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_state(caller: Caller, settings: GlobalSettings) -> Iterator[Finding]:
    """Check the state folder and the ledger in it."""
    try:
        folder = state_folder(caller, os.environ, settings)
    except PollFailed as failure:
        hint = "name a folder of your own with XDG_STATE_HOME"
        yield from_failure(failure, "state-folder", "state folder", "", hint)
        return
    if os.path.isdir(folder):
        status = os.stat(folder)
        if status.st_mode & OTHERS:
            text = "other users can look into it"
            yield warning("state-folder", "state folder", text, folder, f"chmod 700 {folder}")
        elif not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            text, hint = "no file can be created in it", "make it yours and writable"
            yield error("state-folder", "state folder", text, folder, hint, ExitCode.IOERR)
        else:
            yield ok("state-folder", "state folder", folder, folder)
    elif os.path.lexists(folder):
        text, hint = "it is not a folder", "move it away"
        yield error("state-folder", "state folder", text, folder, hint, ExitCode.IOERR)
    else:
        yield note("state-folder", "state folder", f"{folder} will be created", folder)
    if url := store_of(settings):
        from .store import check_store  # few users have one

        yield from check_store(url, str(settings.place("store")))
        yield from check_space(folder)
        return
    yield from check_ledger(os.path.join(folder, LEDGER))
    if other := second_ledger(folder, caller, os.environ):
        text = f"there are two; this one is not used, but {folder}/{LEDGER} is"
        hint = "remove the one that is older, or merge nothing: mail may be fetched twice"
        yield warning("second-ledger", "ledger", text, other, hint)
    yield from check_space(folder)


def check_ledger(path: str) -> Iterator[Finding]:
    """Check whether the ledger can be used. It is not changed."""
    if not os.path.lexists(path):
        yield note("ledger", "ledger", "there is none yet; the first poll creates it", path)
        return
    try:
        with closing(open_unchanged(path)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as fault:
        hint = "move it away to start again; mail that was kept is then fetched again"
        yield error("ledger", "ledger", problem_text(fault), path, hint, ExitCode.IOERR)
        return
    if version > VERSION:
        text = f"it was written by a newer mailhaul (version {version}, this one reads {VERSION})"
        yield error("ledger", "ledger", text, path, "use that mailhaul", ExitCode.IOERR)
    elif problem != "ok":
        hint = "move it away to start again; mail that was kept is then fetched again"
        yield error("ledger", "ledger", f"damaged: {problem}", path, hint, ExitCode.IOERR)
    elif not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        hint = "make it yours: chown it to the user who runs mailhaul"
        yield error("ledger", "ledger", "it cannot be written to", path, hint, ExitCode.IOERR)
    else:
        yield ok("ledger", "ledger", f"sound, {size_in_words(os.path.getsize(path))}", path)


def check_space(folder: str) -> Iterator[Finding]:
    """Check the free space for the ledger and for large messages."""
    for name, subject, path in (
        ("state-space", "disk", folder),
        ("spool-space", "spool folder", spool_folder()),
    ):
        there = existing(path)
        found = os.statvfs(there)
        free = found.f_bavail * found.f_frsize
        if name == "spool-space" and not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
            hint = "name another folder with TMPDIR"
            yield error(name, subject, "no file can be created in it", path, hint, ExitCode.IOERR)
        elif free < FEW_OCTETS:
            yield warning(name, subject, f"only {size_in_words(free)} are free", there, "make room")


def existing(path: str) -> str:
    """Return the folder, or the nearest one above it that exists."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def check_daemon(caller: Caller, settings: GlobalSettings) -> Iterator[Finding]:
    """Check the pidfile, and whether a daemon runs."""
    path = settings.pidfile or default_pidfile(caller)
    if pid := running(path):
        text = f"it runs in the background (pid {pid})"
        yield note("daemon", "daemon", text, path, '"mailhaul status" shows what it does')
    elif os.path.lexists(path):
        if os.access(path, os.R_OK | os.W_OK, effective_ids=True):
            text = "the pidfile is that of a process that has ended; the next one replaces it"
            yield note("daemon", "daemon", text, path)
        else:
            hint = "remove it, or name another one with --pidfile"
            text = "the pidfile belongs to another user"
            yield error("pidfile", "pidfile", text, path, hint, ExitCode.EXCLUDE)
    elif not may_create(path):
        hint = "create its folder, or name another pidfile with --pidfile"
        cause = "the daemon cannot create it"
        yield warning("pidfile", "pidfile", cause, path, hint)
    else:
        yield ok("daemon", "daemon", "none is running", path)


def check_named_files(settings: GlobalSettings) -> Iterator[Finding]:
    """Check the log and fetchmail's file of UIDs."""
    if settings.syslog:
        text = "all messages of a poll go there, and none to the terminal"
        place = str(settings.place("syslog"))
        yield note("syslog", "syslog", text, place, '"mailhaul --nosyslog" prints them')
    if settings.logfile:
        if not os.path.lexists(settings.logfile):
            text = f"{settings.logfile} does not exist, so nothing is written there"
            hint = f"touch {shlex.quote(settings.logfile)}"
            yield warning("logfile", "log file", text, str(settings.place("logfile")), hint)
        elif may_append(settings.logfile):
            yield ok("logfile", "log file", settings.logfile, str(settings.place("logfile")))
        else:
            text = f"{settings.logfile} cannot be written to"
            hint = "make the file yours"
            place = str(settings.place("logfile"))
            yield error("logfile", "log file", text, place, hint, ExitCode.IOERR)
    try:
        read_file(settings.idfile, ID_FILE)
    except FileNotFoundError:
        return
    except OSError as fault:
        text = f"{settings.idfile}: {fault.strerror or fault}"
        hint = "make it readable, or name another one with --idfile"
        place = str(settings.place("idfile"))
        yield error("idfile", "idfile", text, place, hint, ExitCode.IOERR)


def may_create(path: str) -> bool:
    """Whether a file can be created at this path."""
    folder = os.path.dirname(path) or "."
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def may_append(path: str) -> bool:
    """Whether a file can be written to, or created."""
    if os.path.lexists(path):
        return not os.path.isdir(path) and os.access(path, os.W_OK, effective_ids=True)
    return may_create(path)
