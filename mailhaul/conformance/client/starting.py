"""Starts a client and waits until it ends, or ends it: with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...flows.requests import Sleep
from ..verdicts import SetUpFailed

INTERVAL = 0.01
"""Seconds between two looks at a client."""
GRACE = 3.0
"""Seconds that a client may take to end after SIGTERM."""


@dataclass(frozen=True)
class Plan:
    """One start of a client. ``values`` are the texts for the names in braces."""

    command: tuple[str, ...]
    values: Mapping[str, str]
    choices: Mapping[str, str]
    home: Path
    environment: Mapping[str, str]
    message: bytes = b""
    """What is written on standard input."""


@dataclass(frozen=True)
class Ended:
    """How a client ended: its exit status, negative for a signal, or None if it did not end."""

    status: int | None
    output: bytes = b""
    errors: bytes = b""


class Running(Protocol):
    """A client that has been started."""

    def poll(self) -> Ended | None:
        """Return how it ended, or None as long as it runs."""
        ...

    def stop(self, hard: bool) -> None:
        """End it, and all that it has started; ``hard`` gives it no time."""
        ...


Start = Callable[[Plan], Running]
"""Starts a client. Raises SetUpFailed."""


class ClientProcess:
    """A client that runs as a process, in a session of its own."""

    def __init__(self, plan: Plan) -> None:
        self._output = plan.home / "client.out"
        self._errors = plan.home / "client.err"
        message = plan.home / "client.in"
        message.write_bytes(plan.message)
        with (
            message.open("rb") as given,
            self._output.open("wb") as out,
            self._errors.open("wb") as errors,
        ):
            try:
                self._process = subprocess.Popen(
                    plan.command,
                    stdin=given,
                    stdout=out,
                    stderr=errors,
                    cwd=plan.home,
                    env=dict(plan.environment),
                    start_new_session=True,
                )
            except OSError as fault:
                raise SetUpFailed(f"cannot start {plan.command[0]}: {fault.strerror}") from None

    def poll(self) -> Ended | None:
        """Return how it ended, or None as long as it runs."""
        status = self._process.poll()
        if status is None:
            return None
        return Ended(status, self._output.read_bytes(), self._errors.read_bytes())

    def stop(self, hard: bool) -> None:
        """End its process group; kill it, if ``hard``."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL if hard else signal.SIGTERM)
        if hard:
            self._process.wait()


async def wait_for(
    running: Running, seconds: float, until: Callable[[], bool] | None = None
) -> Ended:
    """Wait until a client ends, and end it after so many seconds, or when ``until`` says so.

    A client that had to be killed has no status.
    """
    end = time.monotonic() + seconds
    asked = False
    try:
        while True:
            if ended := running.poll():
                return ended
            if not asked and until and until():
                asked = True
                running.stop(hard=False)
                end = time.monotonic() + GRACE
            if time.monotonic() > end:
                running.stop(hard=True)
                ended = running.poll()
                return Ended(0 if asked else None, *outputs(ended))
            await Sleep(INTERVAL)
    finally:
        # Whatever it has started must not outlive the case.
        running.stop(hard=True)


def outputs(ended: Ended | None) -> tuple[bytes, bytes]:
    """Return what a client wrote."""
    return (ended.output, ended.errors) if ended else (b"", b"")
