"""The commands of ``preconnect`` and ``postconnect``, which surround a poll.

They are the user's own lines for the shell and get the terminal, as with fetchmail: what they
start in the background, such as an ``ssh -f`` with a tunnel, goes on when they end. One that does
not end is ended: other accounts wait for it, and so does whoever wants to stop us.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..flows.channel import STATUS_UNKNOWN
from ..flows.outcome import ExitCode, PollFailed
from ..flows.requests import Close, Now, OpenFailed, Start, TimedOut, Wait

SECONDS = 600.0
"""How long a command may take."""


async def surrounded(
    poll: Callable[[], Awaitable[ExitCode]], preconnect: str | None, postconnect: str | None
) -> ExitCode:
    """Run a poll between two commands, each of which may be missing.

    If the first fails there is no poll; the second runs however the poll went. Raises PollFailed
    (SYNTAX, as fetchmail) for a command that fails, and what the poll raises, which counts more.
    """
    if preconnect:
        await command(preconnect, "pre-connection")
    try:
        code = await poll()
    except PollFailed as failure:
        if postconnect:
            await ending_of(postconnect)
        raise failure from None
    if postconnect:
        await command(postconnect, "post-connection")
    return code


async def command(line: str, what: str) -> None:
    """Run one command and wait for its end. Raises PollFailed (SYNTAX) if it fails."""
    if how := await ending_of(line):
        # The line itself may hold a password.
        raise PollFailed(ExitCode.SYNTAX, f"{what} command {how}")


async def ending_of(line: str) -> str:
    """Run a line by /bin/sh and return what is wrong with how it ended, "" if nothing is."""
    deadline = await Now() + SECONDS
    try:
        program = await Start((line,), 0, True, captured=False)
    except OpenFailed:
        return "cannot be started"
    try:
        while program.status is None:
            await Wait([program], max(0.0, deadline - await Now()))
    except TimedOut:
        await Close(program)
        return f"took more than {SECONDS:g} seconds and was ended"
    if program.status == STATUS_UNKNOWN:
        return "ended, and nobody can tell how"
    if program.status < 0:
        return f"died of signal {-program.status}"
    return f"failed with status {program.status}" if program.status else ""
