"""Runs the command of ``passwordeval`` and of the other ``...eval`` options."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import suppress
from typing import IO, Final, Protocol, cast

MAX_OUTPUT: Final = 64 * 1024
"""Octets of the output that are kept, and of the standard error."""
MAX_WORDS: Final = 200
"""Characters of the standard error that are shown."""
CHECK_INTERVAL: Final = 0.1
"""Seconds between checks whether a command has ended; its children may keep its output open."""
SHORTEST_HIDDEN: Final = 4
"""Octets of the shortest line of the output that is looked for in the standard error."""


class CommandFailed(Exception):
    """The command gave no secret. ``str()`` says why, and contains nothing of its output."""


class Patience(Protocol):
    """Decides how long a command or the keyring is waited for."""

    seconds: float

    def is_over(self) -> bool:
        """Return whether to stop at once. Raises TimeoutError."""
        ...


class Command:
    """A command for the shell."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None

    def output(self, patience: Patience) -> bytes:
        """Run the command and return its output. Raises CommandFailed."""
        # It may want to read from the terminal, which only the foreground group can do.
        group = None if os.isatty(0) else 0
        argv = ["/bin/sh", "-c", self._command]
        pipe = subprocess.PIPE
        try:
            child = subprocess.Popen(argv, stdout=pipe, stderr=pipe, process_group=group)
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or error
            raise CommandFailed(f"the command cannot be run: {problem}") from None
        self._child = child
        try:
            output, errors = self._read(child, patience)
        except TimeoutError:
            problem = f"the command took more than {patience.seconds:g} seconds"
            raise CommandFailed(problem) from None
        finally:
            self.kill()
        if child.returncode:
            how = f"ended with status {child.returncode}"
            if child.returncode < 0:
                how = f"was ended by signal {-child.returncode}"
            words = words_of(errors, output)
            raise CommandFailed(f"the command {how}{f': {words}' if words else ''}")
        return output

    def kill(self) -> None:
        """Kill the command if it still runs; if it has its own process group, the whole group."""
        child = self._child
        if child and child.poll() is None:
            with suppress(OSError):
                if os.getpgid(child.pid) == child.pid:
                    os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.wait()

    def _read(self, child: subprocess.Popen[bytes], patience: Patience) -> tuple[bytes, bytes]:
        """Return the output and the standard error of a command, until its end.

        A command may start a key agent, which keeps the output open after the command has ended;
        all output of the command itself is in the pipe by then. Raises TimeoutError.
        """
        output, errors = bytearray(), bytearray()
        with cast(IO[bytes], child.stdout) as stdout, cast(IO[bytes], child.stderr) as stderr:
            kept = {stdout.fileno(): output, stderr.fileno(): errors}
            # A user at a terminal sees what the command asks.
            shown = stderr.fileno() if os.isatty(2) else -1
            poll = select.poll()
            for descriptor in kept:
                poll.register(descriptor, select.POLLIN)
            left = set(kept)
            while left and not patience.is_over():
                ended = child.poll() is not None
                ready = poll.poll(0 if ended else CHECK_INTERVAL * 1000)
                if ended and not ready:
                    break
                for descriptor, _ in ready:
                    piece = os.read(descriptor, MAX_OUTPUT)
                    if not piece:
                        poll.unregister(descriptor)
                        left.discard(descriptor)
                    if descriptor == shown:
                        os.write(2, piece)
                    kept[descriptor] += piece[: MAX_OUTPUT - len(kept[descriptor])]
        while not patience.is_over():
            with suppress(subprocess.TimeoutExpired):
                child.wait(CHECK_INTERVAL)
                break
        return bytes(output), bytes(errors)


def words_of(errors: bytes, output: bytes) -> str:
    """Return the first line of the standard error, without lines of the output in it."""
    said = next((line for line in errors.splitlines() if line.strip()), b"").strip()
    # The longest first: a short line may be part of a longer one.
    for line in sorted(output.splitlines(), key=len, reverse=True):
        if len(line) >= SHORTEST_HIDDEN:
            said = said.replace(line, b"*")
    text = said.decode("utf-8", "replace")
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}..."
