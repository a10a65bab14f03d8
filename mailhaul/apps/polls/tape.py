"""The transcript file of a run (``--transcript FILE``)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ...adapters.transcript.recorder import Tape
from ...flows.outcome import ExitCode, PollFailed


def open_tape(path: str, complain: Callable[[str], None], *, bodies: bool) -> Tape:
    """Begin a transcript that only its owner can read. Raises PollFailed (IOERR).

    If a write fails, the transcript ends there and that is reported; polling continues.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        problem = f"trace {path}: {error.strerror or error}"
        raise PollFailed(ExitCode.IOERR, problem) from None

    is_whole = True

    def write(line: str) -> None:
        nonlocal is_whole
        # One write for each line: the last lines before a crash matter most.
        try:
            if is_whole:
                os.write(descriptor, f"{line}\n".encode("ascii", "backslashreplace"))
        except OSError as error:
            # A transcript with a gap could not be replayed.
            is_whole = False
            complain(f"trace {path}: {error.strerror or error}; it ends here")

    return Tape(write, time.monotonic, bodies=bodies)
