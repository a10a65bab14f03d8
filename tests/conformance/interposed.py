"""A server with one fault: its lines are answered, or its output is changed, on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """Answer a line of the client in the server's place.

    ``line`` is a regular expression for the whole line, in any case. The first ``after`` lines that
    match are left to the server, and with ``once`` all those after the next one too. With
    ``replace`` the server gets that line instead, and answers itself. In both ``<tag>`` stands for
    the first word of the line.
    """

    line: bytes
    reply: bytes = b""
    after: int = 0
    once: bool = False
    replace: bytes | None = None
    seen: int = field(default=0, init=False)

    def takes(self, line: bytes) -> bool:
        """Whether this line is answered here."""
        if not re.fullmatch(self.line, line.rstrip(b"\r\n"), re.IGNORECASE | re.DOTALL):
            return False
        self.seen += 1
        return self.seen == self.after + 1 if self.once else self.seen > self.after

    @staticmethod
    def filled(text: bytes, line: bytes) -> bytes:
        """Return a reply or another line with the tag of the client's line in it."""
        return text.replace(b"<tag>", line.partition(b" ")[0])


@dataclass(frozen=True)
class Change:
    """Replace what matches a regular expression in the server's output.

    The output is seen in the pieces in which it is sent, which end after whole replies.
    """

    pattern: bytes
    replacement: bytes
    count: int = 0


class Interposed:
    """A machine, and between it and its peer the faults. All else is the machine's."""

    def __init__(self, machine: Any, faults: Sequence[Answer | Change]) -> None:
        self._machine = machine
        self._answers = [fault for fault in faults if isinstance(fault, Answer)]
        self._changes = [fault for fault in faults if isinstance(fault, Change)]
        self._partial = b""
        self._replies: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    def receive_data(self, data: bytes) -> None:
        if not self._answers:
            self._machine.receive_data(data)
            return
        *lines, self._partial = re.split(rb"(?<=\n)", self._partial + data)
        for line in lines:
            for answer in self._answers:
                if answer.takes(line):
                    if answer.replace is None:
                        reply = answer.filled(answer.reply, line)
                        self._replies += [*self._machine.data_to_send(), reply]
                    else:
                        self._machine.receive_data(answer.filled(answer.replace, line) + b"\r\n")
                    break
            else:
                self._machine.receive_data(line)

    def receive_eof(self) -> None:
        self._machine.receive_eof()

    def data_to_send(self) -> list[bytes]:
        output = b"".join([*self._replies, *self._machine.data_to_send()])
        self._replies = []
        for change in self._changes:
            output = re.sub(
                change.pattern, change.replacement, output, count=change.count, flags=re.DOTALL
            )
        return [output] if output else []

    @property
    def unsent(self) -> int:
        return int(self._machine.unsent) + sum(map(len, self._replies))
