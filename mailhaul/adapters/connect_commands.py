"""The commands of ``preconnect`` and ``postconnect``, which surround a poll.

They are the user's own lines for the shell and get the terminal, as with fetchmail: what they
start in the background, such as an ``ssh -f`` with a tunnel, goes on when they end.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial

from ..flows.outcome import ExitCode, PollFailed
from ..flows.requests import Call


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
            await Call(partial(shell, postconnect))
        raise failure from None
    if postconnect:
        await command(postconnect, "post-connection")
    return code


async def command(line: str, what: str) -> None:
    """Run one command and wait for its end. Raises PollFailed (SYNTAX) if it fails."""
    status = await Call(partial(shell, line))
    if status:
        how = f"failed with status {status}" if status > 0 else f"died of signal {-status}"
        # The line itself may hold a password.
        raise PollFailed(ExitCode.SYNTAX, f"{what} command {how}")


def shell(line: str) -> int:
    """Run a line by /bin/sh and return how it ended, as os.waitstatus_to_exitcode has it."""
    argv = ["/bin/sh", "-c", line]
    child = os.posix_spawn(argv[0], argv, os.environ)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
