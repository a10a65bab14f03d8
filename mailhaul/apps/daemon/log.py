"""The daemon's log. A reload may change the file that it is written to."""

from __future__ import annotations

from collections.abc import Mapping

from ..polls.lines import Lines
from ..polls.logs import LogLines


class Log(Lines):
    """Passes every line to the current log. It never waits for a reader."""

    def __init__(self, current: Lines) -> None:
        super().__init__(current.verbosity, current.out, current.err, current.program)
        self._current = current
        self._use(current)

    def change(self, to: Lines) -> None:
        """Write to another log from now on."""
        before, self._current = self._current, to
        self._use(to)
        if isinstance(before, LogLines) and before is not to:
            before.close()

    @staticmethod
    def _use(lines: Lines) -> None:
        lines.never_wait()
        lines.names_accounts = True

    def say(self, text: str, account: str = "", code: str = "") -> None:
        """Write a line of progress, unless silent."""
        self._current.say(text, account, code)

    def detail(self, text: str, account: str = "") -> None:
        """Write a line if the user asked for details."""
        self._current.detail(text, account)

    def complain(self, text: str, account: str = "", code: str = "") -> None:
        """Write an error, silent or not."""
        self._current.complain(text, account, code)

    def record(self, facts: Mapping[str, object]) -> None:
        """Write a record of the outcome of a message."""
        self._current.record(facts)

    def raw(self, text: str, account: str = "") -> None:
        """Write a line without prefix, unless silent."""
        self._current.raw(text, account)

    def begin(self, text: str) -> None:
        """Write the first part of a line, unless silent."""
        self._current.begin(text)

    def progress(self, signs: str) -> None:
        """Write some signs in a line that was begun."""
        self._current.progress(signs)

    def end(self, begun: str, text: str, account: str = "") -> None:
        """Write the last part of a line."""
        self._current.end(begun, text, account)

    @property
    def lost(self) -> str:
        """Why the last line could not be written, "" where it could."""
        return self._current.trouble
