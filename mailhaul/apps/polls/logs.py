"""Lines for a file or for syslog: each is written whole, with the program's name."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import TextIOBase
from typing import TextIO, cast

from ...adapters.config.load import Configuration
from ...flows.outcome import ExitCode, PollFailed
from .lines import PROGRAM, Lines, escape


class LogLines(Lines):
    """Lines of a log: what comes in parts is written as one line."""

    is_log = True

    def __init__(
        self,
        verbosity: int,
        out: TextIO | None = None,
        err: TextIO | None = None,
        program: str = PROGRAM,
    ) -> None:
        super().__init__(verbosity, out, err, program)
        self.names_accounts = True

    def close(self) -> None:
        """Close the file; nothing more is written."""
        if self.out not in (sys.stdout, sys.stderr) and isinstance(self.out, TextIOBase):
            with suppress(OSError, ValueError):
                self.out.close()

    def raw(self, text: str, account: str = "") -> None:
        """Write a line with the prefix of all others."""
        self.say(text, account)

    def begin(self, text: str) -> None:
        """Write nothing yet: other lines may come in between."""

    def end(self, begun: str, text: str, account: str = "") -> None:
        """Write the whole line."""
        self.say(f"{begun}{text}", account)


class JsonLines(LogLines):
    """One JSON object for each line, each message and each poll; ``log_schema`` describes them.

    All have ``time`` (RFC 3339), ``level``, ``event``, ``account`` and ``code``; the last two are
    null for a line that is about no account, or not about the end of a poll.
    """

    def __init__(
        self,
        verbosity: int,
        out: TextIO | None = None,
        err: TextIO | None = None,
        clock: Callable[[], float] = time.time,
        program: str = PROGRAM,
    ) -> None:
        super().__init__(verbosity, out, err, program)
        self._clock = clock

    def say(self, text: str, account: str = "", code: str = "") -> None:
        """Write a line of progress, unless silent."""
        if self.verbosity:
            self._line(self.out, "info", text, account, code)

    def detail(self, text: str, account: str = "") -> None:
        """Write a line if the user asked for details."""
        if self.verbosity > 1:
            self._line(self.out, "debug", text, account)

    def complain(self, text: str, account: str = "", code: str = "") -> None:
        """Write an error, silent or not."""
        self._line(self.err, "error", text, account, code)

    def record(self, facts: Mapping[str, object]) -> None:
        """Write the record of a message or a poll; unless silent, or it is an error."""
        first = {"level": "info", "event": "message", "account": None, "code": None, **facts}
        if self.verbosity or first["level"] == "error":
            self._write(self.out, self._in_json(first))

    def _line(
        self, stream: TextIO, level: str, text: str, account: str = "", code: str = ""
    ) -> None:
        self._write(stream, self._in_json(line_record(level, text, account, code)))

    def _about_loss(self, text: str) -> str:
        """Return the line that reports lost lines."""
        return self._in_json(line_record("error", text))

    def _in_json(self, facts: Mapping[str, object]) -> str:
        import json

        when = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        safe = {
            name: escape(self.redacted(value)) if isinstance(value, str) else value
            for name, value in facts.items()
        }
        return json.dumps({"time": when, **safe}) + "\n"


def line_record(level: str, text: str, account: str = "", code: str = "") -> dict[str, object]:
    """Return the record of a line."""
    return {
        "level": level,
        "event": "line",
        "account": account or None,
        "code": code or None,
        "text": text,
    }


class Syslog:
    """One priority of syslog as a stream. syslog adds the name of the program."""

    def __init__(self, program: str, *, errors: bool) -> None:
        import syslog

        self._prefix = f"{program}: "
        syslog.openlog(program, syslog.LOG_PID, syslog.LOG_MAIL)
        self._priority = syslog.LOG_ERR if errors else syslog.LOG_INFO
        self._write = syslog.syslog

    def write(self, text: str) -> int:
        """Send each line."""
        for line in text.splitlines():
            self._write(self._priority, line.removeprefix(self._prefix))
        return len(text)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


def log_file(path: str) -> TextIO | None:
    """Open a log file for appending; None if it does not exist, as with fetchmail.

    Raises PollFailed (UNDEFINED) if it cannot be written.
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


def lines_for(
    verbosity: int,
    logfile: str | None,
    *,
    syslog: bool,
    json: bool = False,
    program: str = PROGRAM,
) -> LogLines | None:
    """Return the lines for a log file, syslog or JSON; None for plain lines on the terminal.

    A log file wins over syslog. Raises PollFailed (UNDEFINED) if it cannot be written.
    """
    kind = partial(JsonLines if json else LogLines, verbosity, program=program)
    file = log_file(logfile) if logfile else None
    if file:
        return kind(out=file, err=file)
    if syslog:
        out, err = (cast(TextIO, Syslog(program, errors=errors)) for errors in (False, True))
        return kind(out=out, err=err)
    return kind() if json else None


def logged(configuration: Configuration, lines: Lines) -> LogLines | None:
    """Return the lines of the log that the settings ask for; None if its file does not exist."""
    settings = configuration.globals
    if settings.logfile and not os.path.exists(settings.logfile):
        problem = f'Logfile "{settings.logfile}" does not exist, ignoring logfile option.'
        lines.complain(problem)
    return lines_for(
        configuration.verbosity,
        settings.logfile,
        syslog=settings.syslog,
        json=settings.jsonlog,
        program=lines.program,
    )
