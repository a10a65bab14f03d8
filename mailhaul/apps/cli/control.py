"""``mailhaul status``, ``poll``, ``pause`` and ``resume``: send a request to the daemon."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...adapters.config.caller import Caller
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, escape, write
from ..polls.state_folder import socket_path
from .commands import invalid

SECONDS = 10.0
"""Seconds to wait for the daemon's reply."""

REFRESH = 2.0
"""Seconds between two updates of ``--watch``."""


def status(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul status``. Raises Misused."""
    return control("status", arguments, caller, lines)


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
    """Send the request of one of the commands to the daemon, and print the result.

    Raises Misused.
    """
    options = {"--json", "--metrics", "--watch"} if action == "status" else set[str]()
    wrong = [word for word in arguments if word.startswith("-") and word not in options]
    if wrong or (action == "status" and (len(arguments) > 1 or {*arguments} - options)):
        raise invalid(arguments)
    if any(not word.strip() for word in arguments):
        # An empty argument may be an unset variable of a script; it must not mean all accounts.
        lines.complain(f"{action}: the name of an account is empty; nothing is done")
        return ExitCode.SYNTAX
    path = socket_path(caller)
    try:
        if "--watch" in arguments:
            return watch(path)
        if "--metrics" in arguments:
            write(sys.stdout, ask(path, "metrics"))
            return ExitCode.SUCCESS
        answer = ask(path, " ".join([action, *(() if action == "status" else arguments)]))
        said: Any = json.loads(answer)
    except OSError:
        lines.complain("no mailhaul daemon is running")
        return ExitCode.EXCLUDE
    if "error" in said:
        lines.complain(str(said["error"]))
        return ExitCode.UNDEFINED
    if action == "status":
        write(sys.stdout, answer if "--json" in arguments else table(said))
        return ExitCode.SUCCESS
    accounts = said["accounts"]
    for account in accounts:
        lines.say(f"{account}: {action}")
    if not accounts:
        lines.complain(f'{action}: no such account; "mailhaul status" lists the accounts')
    return ExitCode.SUCCESS if accounts else ExitCode.ERROR


def watch(path: str) -> ExitCode:
    """Show the table repeatedly. Raises OSError when the daemon has ended."""
    while True:
        sys.stdout.write("\033[H\033[2J" + table(json.loads(ask(path, "status"))))
        sys.stdout.flush()
        time.sleep(REFRESH)


def ask(path: str, request: str) -> str:
    """Return the daemon's reply to a request. Raises OSError if it does not reply."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(SECONDS)
        sock.connect(path)
        sock.sendall(request.encode("utf-8", "surrogateescape") + b"\n")
        return b"".join(iter(lambda: sock.recv(65536), b"")).decode("utf-8", "backslashreplace")


def table(jobs: Sequence[Mapping[str, Any]]) -> str:
    """Return a table with one line for each account."""
    rows = [("ACCOUNT", "STATE", "POLLS", "LAST", "RESULT", "SUCCESS", "NEXT")]
    for job in jobs:
        due = job["next_poll_in"]
        rows.append(
            (
                *(escape(str(job["account"])), str(job["state"]), str(job["polls"])),
                *(moment(job["last_poll"]), str(job["last_code"] or "-")),
                *(moment(job["last_success"]), "-" if due is None else f"in {due:.0f} s"),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    rest = dict.fromkeys(str(job["token"]) for job in jobs if job.get("token"))
    return "".join(f"{line.rstrip()}\n" for line in [*lines, *map(escape, rest)])


def moment(when: float | None) -> str:
    """Return the time of day for a time today, otherwise the date."""
    if not when:
        return "-"
    there = time.localtime(when)
    today = there[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d", there)
