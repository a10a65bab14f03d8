"""The table of ``mailhaul status``, for 80 columns and more."""

from __future__ import annotations

import calendar
import os
import time
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, TextIO

from ..polls.lines import escape, plural
from ..polls.times import ago, clock_time, span, until

USUAL_WIDTH = 80
WIDEST = 120
"""Columns that texts are wrapped at on a wide terminal, to be read easily."""
BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
STATE_COLOURS = {
    "ok": GREEN, "watching": GREEN, "waiting": GREEN, "polling": GREEN, "failing": RED,
    "parked": RED, "consent needed": RED, "paused": YELLOW, "unknown": DIM, "never polled": DIM,
}  # fmt: skip
RESULTS = {"SUCCESS": "mail", "NOMAIL": "no mail", "MAXFETCH": "more mail"}
"""Words for the codes of polls that are well; the others have their names."""
INDENT = "    "

Account = dict[str, Any]


def table(found: dict[str, Any], width: int = USUAL_WIDTH, *, colour: bool = False) -> str:
    """Return the table for a document: a row for each entry, with more below where it matters."""
    paint = painted if colour else unpainted
    accounts: Sequence[Account] = found["accounts"]
    if not accounts and not found["fleet"]:
        return "No entries: there is no rc file, and nothing was polled yet.\n"
    now = seconds(found["time"]) or time.time()
    is_live = found["daemon"] is not None or found["fleet"] is not None
    heads = ["ACCOUNT", "STATE", "POLLED", "RESULT", "SUCCESS", *(["NEXT"] if is_live else [])]
    rows = [cells(account, now, is_live=is_live) for account in accounts]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    # A name that leaves no room for the rest has a line of its own.
    room = max(len(heads[0]), width - sum(widths[1:]) - 2 * (len(widths) - 1))
    widths[0] = max([len(row[0]) for row in [heads, *rows] if len(row[0]) <= room])
    lines = [paint(laid_out(heads, widths), BOLD)]
    for account, row in zip(accounts, rows, strict=True):
        name, state, *rest = row
        if len(name) > widths[0]:
            lines.append(name)
            name = ""
        ends = laid_out(rest, widths[2:])
        how = RED if account["health"] == "failing" else STATE_COLOURS.get(state, "")
        lines.append(f"{name.ljust(widths[0])}  {paint(state.ljust(widths[1]), how)}  {ends}")
        for text, how in notes(account, now):
            lines += [
                paint(f"{INDENT}{one}", how) for one in wrap(text, min(width, WIDEST) - len(INDENT))
            ]
    lines += ["", *summary(found, now)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def cells(account: Account, now: float, *, is_live: bool) -> list[str]:
    """Return the cells of an entry."""
    health = account["health"]
    state: str = account["state"] or ("never polled" if health == "unknown" else health)
    if (state, health) == ("waiting", "failing"):
        state = health
    code: str | None = account["code"]
    row: list[str] = [
        escape(account["account"]),
        state,
        ago(seconds(account["last_poll"]), now) if account["last_poll"] else "-",
        "-" if code is None else RESULTS.get(code, code),
        ago(seconds(account["last_success"]), now),
    ]
    return [*row, until(seconds(account["next_poll"]), now)] if is_live else row


def notes(account: Account, now: float) -> Iterator[tuple[str, str]]:
    """Yield what the user should know of an entry, and how it is painted."""
    error = account["last_error"]
    if account["failures"]:
        since = ago(seconds(account["failing_since"]), now)
        times = f"failed {account['failures']} times in a row, first {since}"
        if account["failures"] == 1:
            times = f"failed {since}"
        words = f": {escape(error['text'])}" if error and error["text"] else ""
        yield f"{times}{words}", RED
    if account["token"] and account["token"] not in (error["text"] if error else ""):
        yield escape(account["token"]), RED
    if rest := account["rest"]:
        until_when = seconds(rest["until"]) or now
        when = f"{clock_time(until_when)} ({until(until_when, now)})"
        yield f"at rest, not polled before {when}: {escape(rest['reason'])}", YELLOW
    waiting = account["waiting"]
    count = waiting["queued"] + waiting["refused"]
    oldest = seconds(waiting["oldest"])
    age = f", the oldest for {span(now - oldest)}" if oldest else ""
    # While an entry is polled, its messages are on their way.
    if count and account["state"] != "polling":
        yield f"{count} message{plural(count)} not delivered yet{age}", YELLOW
    if held := waiting["quarantined"]:
        yield (
            f'{held} message{plural(held)} in quarantine: "mailhaul quarantine" lists them',
            YELLOW,
        )


def summary(found: dict[str, Any], now: float) -> list[str]:
    """Return the last lines."""
    accounts: Sequence[Account] = found["accounts"]
    failing = sum(account["health"] == "failing" for account in accounts)
    unknown = sum(account["health"] == "unknown" for account in accounts)
    parts = [f"{len(accounts)} entr{'y' if len(accounts) == 1 else 'ies'}"]
    if failing:
        parts.append(f"{failing} failing")
    if unknown:
        parts.append(f"{unknown} never polled")
    if not (failing or unknown):
        parts.append("all well")
    daemon = found["daemon"]
    if found["fleet"] is not None:
        from ..polls.fleet_status import fleet_lines  # few users have several machines

        lines = list(fleet_lines(found["fleet"]))
        if (more := found["fleet"]["accounts"] - len(accounts)) > 0:
            lines.insert(0, f"{more} more account{plural(more)} not shown, none of them failing")
        return lines
    if daemon is None:
        return [f"{', '.join(parts)}; no daemon is running"]
    runs = span(now - (seconds(daemon["since"]) or now))
    open_ones = daemon["connections"]
    return [
        ", ".join(parts),
        f"daemon {daemon['pid']} runs for {runs}, polls every {daemon['interval']} s, "
        f"{open_ones} connection{plural(open_ones)}",
    ]


def laid_out(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row as a line."""
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))


def painted(text: str, how: str) -> str:
    """Return text in a colour."""
    return f"\033[{how}m{text}\033[0m" if how else text


def unpainted(text: str, how: str) -> str:
    """Return text as it is."""
    del how
    return text


def seconds(iso: str | None) -> float | None:
    """Return the Unix time of a time in a document."""
    return None if iso is None else calendar.timegm(time.strptime(iso, "%Y-%m-%dT%H:%M:%SZ"))


def width_of(stream: TextIO) -> int:
    """Return the columns of a terminal; the usual number for anything else."""
    try:
        return max(40, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return USUAL_WIDTH
