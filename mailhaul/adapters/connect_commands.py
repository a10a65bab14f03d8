"""The commands of ``preconnect`` and ``postconnect``, which run before and after a poll.

They are shell commands and inherit the terminal, as in fetchmail: a process that they start in the
background, such as ``ssh -f`` for a tunnel, continues after the command has ended. A command that
does not end in time is terminated, because other accounts and the end of the program wait for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..flows.outcome import ExitCode, PollFailed
from ..flows.requests import STATUS_UNKNOWN, Close, Now, OpenFailed, Program, Start, TimedOut, Wait

SECONDS = 600.0
"""How many seconds a command may take."""


async def run_with_commands(
    poll: Callable[[], Awaitable[ExitCode]], preconnect: str | None, postconnect: str | None
) -> ExitCode:
    """Run a poll between two commands, each of which may be None.

    If ``preconnect`` fails, there is no poll; ``postconnect`` always runs after a poll. Raises
    PollFailed (SYNTAX, as fetchmail) if a command fails. An error of the poll takes precedence.
    """
    if preconnect:
        await command(preconnect, "pre-connection")
    try:
        code = await poll()
    except PollFailed as failure:
        if postconnect:
            await run_line(postconnect)
        raise failure from None
    if postconnect:
        await command(postconnect, "post-connection")
    return code


async def command(line: str, what: str) -> None:
    """Run one command and wait for its end. Raises PollFailed (SYNTAX) if it fails."""
    if how := await run_line(line):
        # The command line itself is not reported, since it may contain a password.
        raise PollFailed(ExitCode.SYNTAX, f"{what} command {how}")


async def run_line(line: str) -> str:
    """Run a command by /bin/sh; return "" if it succeeds, otherwise how it failed."""
    try:
        program = await Start((line,), 0, True, captured=False)
    except OpenFailed:
        return "cannot be started"
    return await how_it_ends(program, SECONDS)


async def how_it_ends(program: Program, seconds: float) -> str:
    """Wait for the end of a program, but no longer than this; then it is ended.

    Return "" if it succeeds, otherwise how it failed.
    """
    deadline = await Now() + seconds
    try:
        while program.status is None:
            await Wait([program], max(0.0, deadline - await Now()))
    except TimedOut:
        await Close(program)
        return f"took more than {seconds:g} seconds and was ended"
    if program.status == STATUS_UNKNOWN:
        return "ended with an unknown status"
    if program.status < 0:
        return f"died of signal {-program.status}"
    return f"failed with status {program.status}" if program.status else ""
