"""Lines that go to a file or to syslog: each whole, with the program's name, one at a time."""

from __future__ import annotations

import os
from typing import TextIO, cast

from ...flows.outcome import ExitCode, PollFailed
from .lines import Lines


class LogLines(Lines):
    """Lines for readers who are not there: what comes in pieces is written as one line."""

    def __init__(self, verbosity: int, out: TextIO | None = None, err: TextIO | None = None):
        super().__init__(verbosity, out, err)
        self._begun = ""

    def raw(self, text: str) -> None:
        """Write a line like any other."""
        self.say(text)

    def begin(self, text: str) -> None:
        """Keep the first part of a line."""
        self._begun = text

    def end(self, text: str) -> None:
        """Write the line."""
        begun, self._begun = self._begun, ""
        self.say(f"{begun}{text}")


class Syslog:
    """One priority of syslog as a stream. The name of the program is syslog's own business."""

    def __init__(self, *, errors: bool) -> None:
        import syslog

        syslog.openlog("mailhaul", syslog.LOG_PID, syslog.LOG_MAIL)
        self._priority = syslog.LOG_ERR if errors else syslog.LOG_INFO
        self._write = syslog.syslog

    def write(self, text: str) -> int:
        """Send each line."""
        for line in text.splitlines():
            self._write(self._priority, line.removeprefix("mailhaul: "))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def log_file(path: str) -> TextIO | None:
    """Open a log file to append to, None if there is none: it has to exist, as with fetchmail.

    Raises PollFailed (UNDEFINED) where it cannot be written.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PollFailed(
            ExitCode.UNDEFINED, f"log file {path}: {error.strerror or error}"
        ) from None
    return open(fd, "a", encoding="utf-8", errors="backslashreplace")


def lines_for(verbosity: int, logfile: str | None, *, syslog: bool) -> Lines | None:
    """Return lines that go where the user wants them, None for the standard streams.

    A log file wins over syslog. Raises PollFailed (UNDEFINED) for one that cannot be written.
    """
    file = log_file(logfile) if logfile else None
    if file:
        return LogLines(verbosity, file, file)
    if syslog:
        out, err = (cast(TextIO, Syslog(errors=errors)) for errors in (False, True))
        return LogLines(verbosity, out, err)
    return None
