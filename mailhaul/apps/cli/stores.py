"""The ledger for commands that need the rc file only to find it (``set store``)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.errors import ConfigErrors, ConfigRefused
from ...adapters.config.load import load
from ...adapters.config.settings import GlobalSettings
from ...adapters.ledger.store import SqlLedger
from ...flows.outcome import ExitCode, PollFailed
from ..polls.lines import Lines
from ..polls.state_folder import ledger_of, state_folder
from .arguments import read_stdin


def split_rcfile(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Return the arguments without ``-f FILE``, and the file, or "" for the usual one."""
    words, rcfile = [*arguments], ""
    for flag in ("-f", "--fetchmailrc"):
        if flag in words and words.index(flag) + 1 < len(words):
            at = words.index(flag)
            rcfile = words[at + 1]
            del words[at : at + 2]
    return words, rcfile


def configured_ledger(rcfile: str, caller: Caller, lines: Lines) -> SqlLedger:
    """Return the ledger that the rc file names, or that in the state folder without such a file.

    Raises PollFailed.
    """
    settings = settings_in(rcfile, caller, lines)
    ledger = ledger_of(state_folder(caller, os.environ, settings), settings)
    ledger.pin()
    return ledger


def settings_in(rcfile: str, caller: Caller, lines: Lines) -> GlobalSettings | None:
    """Return what the rc file says; None if there is none, or with errors that are printed.

    Raises PollFailed (SYNTAX) if the user has named a file with errors.
    """
    if not rcfile and not os.path.lexists(caller.rcfile):
        return None
    source = ["-f", rcfile] if rcfile else []
    try:
        return load([*source, "--configdump"], caller, read_stdin).globals
    except ConfigErrors as faults:
        problem = str(faults.errors[0])
    except ConfigRefused as refusal:
        problem = str(refusal)
    if rcfile:
        raise PollFailed(ExitCode.SYNTAX, problem)
    lines.complain(f"{problem}; the ledger in the state folder is used")
    return None
