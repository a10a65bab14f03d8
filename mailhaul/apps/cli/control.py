"""``mailhaul poll``, ``pause`` and ``resume``: send a request to the daemon."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any

from ...adapters.config.caller import Caller
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, escape
from ..polls.state_folder import socket_path
from .commands import invalid

DONE = {"poll": "is polled now", "pause": "paused", "resume": "resumed"}
"""What to say of an account, for each action."""

SECONDS = 10.0
"""Seconds to wait for the daemon's reply."""


def poll(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul poll``. Raises Misused."""
    return control("poll", arguments, caller, lines)


def pause(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul pause``. Raises Misused."""
    return control("pause", arguments, caller, lines)


def resume(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul resume``. Raises Misused."""
    return control("resume", arguments, caller, lines)


def control(action: str, arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run one of ``DONE`` and print the result. Raises Misused."""
    if any(word.startswith("-") for word in arguments):
        raise invalid(arguments)
    if any(not word.strip() for word in arguments):
        # An empty argument may be an unset variable of a script; it must not mean all accounts.
        lines.complain(f"{action}: the name of an account is empty; nothing is done")
        return ExitCode.SYNTAX
    path = socket_path(caller)
    try:
        said: Any = json.loads(ask(path, " ".join([action, *arguments])))
    except OSError:
        lines.complain('no mailhaul daemon is running; "mailhaul -d SECONDS" starts one')
        return ExitCode.EXCLUDE
    if "error" in said:
        lines.complain(str(said["error"]))
        return ExitCode.UNDEFINED
    accounts = said["accounts"]
    for account in accounts:
        lines.say(f"{account}: {DONE[action]}")
    if not accounts:
        name = f' "{escape(" ".join(arguments))}"' if arguments else ""
        lines.complain(f'{action}: no account{name}; "mailhaul status" lists the accounts')
    return ExitCode.SUCCESS if accounts else ExitCode.ERROR


def ask(path: str, request: str) -> str:
    """Return the daemon's reply to a request. Raises OSError if it does not reply."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(SECONDS)
        sock.connect(path)
        sock.sendall(request.encode("utf-8", "surrogateescape") + b"\n")
        return b"".join(iter(lambda: sock.recv(65536), b"")).decode("utf-8", "backslashreplace")
