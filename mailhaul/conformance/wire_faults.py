"""Faults on the wire: a server machine whose input and output pass through rules.

The machine and its service stay as they are. Rules answer a line in the server's place, change
what the server says, or close the connection at an exact octet. Lines of the client are given to
the machine one at a time, each after the last one was answered, so that answers keep their order
also for a client that sends commands ahead.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..protocols.machine import NEED_DATA
from .connections import Connection, Line

TEXT_STATES = frozenset({"body", "receiving", "receiving-selected"})
"""States of a server machine in which a line is message text."""


@dataclass
class Answer:
    """Answer a line of the client in the server's place.

    ``line`` is a regular expression for the whole line, in any case; ``reply`` may use its groups.
    The first ``after`` lines that match are left to the server, and after ``times`` answers all
    later ones too. An empty reply is silence. With ``replace`` the server gets that line instead,
    and answers itself. ``text`` is the reply to a text that the client sends after ``reply``; the
    server sees nothing of it. With ``close`` the connection is closed after the reply.
    """

    line: bytes
    reply: bytes = b""
    after: int = 0
    times: int = 1_000_000
    replace: bytes | None = None
    text: bytes | None = None
    close: bool = False
    seen: int = field(default=0, init=False)

    def match(self, line: bytes) -> re.Match[bytes] | None:
        """Return the match if this line is answered here."""
        found = re.fullmatch(self.line, line, re.IGNORECASE | re.DOTALL)
        if found:
            self.seen += 1
            if not self.after < self.seen <= self.after + self.times:
                return None
        return found


@dataclass
class Trigger:
    """Call a function when a line of the client matches, before the server sees the line."""

    line: bytes
    call: Callable[[], object]
    after: int = 0
    seen: int = field(default=0, init=False)

    def see(self, line: bytes) -> None:
        """Call the function if this is the line."""
        if re.fullmatch(self.line, line, re.IGNORECASE | re.DOTALL):
            self.seen += 1
            if self.seen == self.after + 1:
                self.call()


@dataclass
class Change:
    """Replace what matches a regular expression in the server's output.

    The output is seen in the pieces in which it is sent, which end after whole replies. Only
    ``times`` pieces are changed, after the first ``after`` ones that match. ``replacement`` may
    also be a function of the match. ``inside`` says whether this is for inside TLS or outside.
    """

    pattern: bytes
    replacement: bytes | Callable[[re.Match[bytes]], bytes]
    after: int = 0
    times: int = 1_000_000
    inside: bool | None = None
    seen: int = field(default=0, init=False)

    def apply(self, output: bytes, *, tls: bool = False) -> bytes:
        """Return the output as the client gets it."""
        if self.inside not in {None, tls} or not re.search(self.pattern, output, re.DOTALL):
            return output
        self.seen += 1
        if not self.after < self.seen <= self.after + self.times:
            return output
        return re.sub(self.pattern, self.replacement, output, flags=re.DOTALL)


@dataclass
class Cut:
    """Close the connection where the server's output matches, for the first ``times`` times.

    ``replacement`` is sent in place of the match, and nothing after it.
    """

    pattern: bytes
    replacement: bytes = b""
    after: int = 0
    times: int = 1_000_000
    seen: int = field(default=0, init=False)

    def place(self, output: bytes) -> re.Match[bytes] | None:
        """Return the match if the connection ends here."""
        found = re.search(self.pattern, output, re.DOTALL)
        if found:
            self.seen += 1
            if not self.after < self.seen <= self.after + self.times:
                return None
        return found


Rule = Answer | Trigger | Change | Cut


class FaultyMachine:
    """A server machine, and between it and its client the rules. All else is the machine's.

    While ``held`` is true nothing is sent: what comes in that time was sent by a client that did
    not wait. ``closing`` says that the connection ends once the output has been written.
    ``slices`` is the number of octets in one segment, or 0.
    """

    def __init__(self, machine: Any, rules: Sequence[Rule], connection: Connection) -> None:
        self.rules = list(rules)
        self.connection = connection
        self.held = False
        self.closing = False
        self.slices = 0
        self._machine = machine
        self._partial = b""
        self._queue: deque[tuple[bytes, int]] = deque()
        self._pending: list[bytes] = []
        self._produced = 0
        self._sent = 0
        self._ended = False
        self._told_end = False
        self._dropped: bytes | None = None
        self._dropping = False
        self._was_text = False
        self._response_due = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    # What a runtime calls

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the client; they are read line by line."""
        self.connection.raw += data
        *lines, self._partial = re.split(rb"(?<=\n)", self._partial + data)
        self._queue += [(line, self._sent) for line in lines]

    def receive_eof(self) -> None:
        """Take note that the client has closed."""
        self._ended = True
        self.connection.closed_by_client = True
        self.connection.left_early = self.held

    def data_to_send(self) -> list[bytes]:
        """Hand over the output, unless it is held."""
        if self.held:
            return []
        self.collect()
        pieces, self._pending = self._pending, []
        self._sent = self._produced
        for piece in pieces:
            self.connection.note_output(piece)
        return pieces

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now, as far as they are known."""
        return int(self._machine.unsent) + sum(map(len, self._pending))

    @property
    def has_output(self) -> bool:
        """Whether something waits for the client."""
        return bool(self._pending)

    @property
    def has_input(self) -> bool:
        """Whether something came that the service has not seen."""
        return bool(self._queue) or (self._ended and not self._told_end)

    # What a service calls

    def next_event(self) -> Any:
        """Return the machine's next event; lines that a rule answers make none."""
        while (event := self._machine.next_event()) is NEED_DATA:
            if not self._read_line():
                return event
        return event

    def tls_started(self) -> None:
        """Drop what came in the clear, and tell the machine."""
        self.connection.tls = True
        self.connection.injected += [line for line, _ in self._queue]
        self._queue.clear()
        self._partial = b""
        self._machine.tls_started()

    def collect(self) -> None:
        """Take the machine's output through the rules."""
        output = b"".join(self._machine.data_to_send())
        if not output or self.closing:
            return
        for rule in self.rules:
            if isinstance(rule, Change):
                output = rule.apply(output, tls=self.connection.tls)
            elif isinstance(rule, Cut) and (place := rule.place(output)):
                output = output[: place.start()] + place.expand(rule.replacement)
                self.closing = True
        self._put(output)

    # Lines

    def _read_line(self) -> bool:
        """Use the next line; return False if there is none."""
        if self.closing:
            return False
        if not self._queue:
            return self._read_end()
        line, sent = self._queue.popleft()
        self.collect()
        if not self.closing:
            self._use(line, early=sent < self._produced)
        return True

    def _read_end(self) -> bool:
        if self._partial and self._ended:
            self._queue.append((self._partial, self._sent))
            self._partial = b""
            return True
        if self._ended and not self._told_end:
            self._told_end = True
            self._machine.receive_eof()
            return True
        return False

    def _use(self, line: bytes, *, early: bool) -> None:
        is_text = self._dropping or self._machine.state in TEXT_STATES
        if is_text:
            if not self._was_text:
                self.connection.texts.append(bytearray())
                self.connection.early_texts.append(early)
            self.connection.texts[-1] += line
        self._was_text = is_text
        if self._dropping:
            self._drop(line)
        elif is_text:
            self._machine.receive_data(line)
        else:
            self._use_command(line, early)

    def _drop(self, line: bytes) -> None:
        if line == b".\r\n":
            self._dropping = self._was_text = False
            self._put(self._dropped or b"")

    def _use_command(self, line: bytes, early: bool) -> None:
        bare = line.removesuffix(b"\n").removesuffix(b"\r")
        response, self._response_due = self._response_due, False
        connection = self.connection
        connection.lines.append(Line(bare, early, connection.tls, response))
        for rule in self.rules:
            if isinstance(rule, Trigger):
                rule.see(bare)
            elif isinstance(rule, Answer) and (match := rule.match(bare)):
                self._answer(rule, match)
                return
        self._machine.receive_data(line)

    def _answer(self, rule: Answer, match: re.Match[bytes]) -> None:
        if rule.replace is not None:
            self._machine.receive_data(match.expand(rule.replace) + b"\r\n")
            return
        self._put(match.expand(rule.reply))
        self.closing = rule.close
        if rule.text is not None:
            self._dropping, self._dropped = True, rule.text

    def _put(self, output: bytes) -> None:
        if output:
            self._pending.append(output)
            self._produced += 1
            last = output.rstrip(b"\r\n").rpartition(b"\n")[2]
            self._response_due = last.startswith((b"334 ", b"+ ")) or last in {b"334", b"+"}
