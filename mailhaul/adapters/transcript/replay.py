"""Replay a transcript: give its inputs to a new machine, and compare the outputs.

Data left out of the transcript is replaced: texts by the same number of filler octets, secrets by
a fixed word, and challenges by filler. The machines do not depend on these contents.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...protocols.errors import ProtocolError, RemoteProtocolError
from ...protocols.machine import NeedData, TlsDialogue
from ...protocols.record import Record
from ...protocols.roles import Client
from ...protocols.secret import Secret
from . import lines
from .lines import Line, Mask, parse, unescaped
from .recorder import about_event, about_fault

INPUTS = frozenset({"receive_eof", "tls_started", "assume_authenticated"})
COMPRESSED = "compressed"
"""The input at which the record of a connection ends, because its data is compressed."""
FILLER = b"x"
MASKED = re.compile(r"\*+")
BLOCK = 256 * 1024
LEFT_OUT = b"left-out-of-the-transcript"


Makers = Mapping[str, Callable[..., Record]]
"""The classes of commands, by their names."""


class Replayed(Record):
    """One line of a transcript, and the different output (``instead``), None if it is the same."""

    line: Line
    instead: str | None


def replay(texts: Iterable[str]) -> Iterator[Replayed]:
    """Replay a transcript. Raises ValueError, with the line's number, for anything else."""
    sessions: dict[int, Session] = {}
    for number, text in enumerate(texts, 1):
        try:
            line = parse(text)
            if line is None:
                continue
            if line.kind == lines.OPENED:
                sessions[line.connection] = Session(line.about.split(" ")[0])
                instead = None
            else:
                instead = sessions[line.connection].step(line)
        except (ValueError, KeyError, SyntaxError, AttributeError) as error:
            raise ValueError(f"line {number}: {error}") from None
        yield Replayed(line, instead)


class Session:
    """One connection with its own machine. Raises ValueError for an unknown protocol."""

    def __init__(self, kind: str) -> None:
        self._machine, self._commands = machine_for(kind)
        self._surplus = 0
        self._lost = False

    def step(self, line: Line) -> str | None:
        """Replay one line; return the different output, None if it is the same."""
        match line.kind:
            case lines.RECEIVED:
                self._machine.receive_data(unescaped(line.about))
            case lines.TEXT_RECEIVED:
                for piece in filler(int(line.about)):
                    self._machine.receive_data(piece)
            case lines.SENT | lines.TEXT_SENT:
                return self._say(line)
            case lines.INPUT if line.about in INPUTS:
                getattr(self._machine, line.about)()
            case lines.INPUT if line.about == COMPRESSED:
                pass
            case lines.EVENT | lines.FAULT:
                return compare(line.about, self._next())
            case lines.TEXT_EVENT:
                return self._text(int(line.about))
            case _:
                raise ValueError(f"{line.kind!r} is not a kind of line")
        return None

    def _say(self, line: Line) -> str | None:
        try:
            for command in self._commands_of(line):
                self._machine.send(command)
            self._machine.data_to_send()
        except ProtocolError as error:
            return f"the command cannot be sent now: {error}"
        return None

    def _commands_of(self, line: Line) -> Iterator[object]:
        if line.kind == lines.SENT:
            yield command_from(line.about, self._commands)
            return
        chunk = self._commands.get("AppendChunk") or self._commands["BodyChunk"]
        octets, _, text = line.about.partition(" ")
        for piece in [unescaped(text)] if text else filler(int(octets)):
            yield chunk(piece)

    def _next(self) -> str:
        """Return the machine's next output in the form of a transcript; for text its size."""
        try:
            event = self._machine.next_event()
        except RemoteProtocolError as fault:
            return about_fault(fault, Mask())
        if isinstance(event, NeedData):
            return "nothing"
        if type(event).__name__ == "BodyChunk":
            self._surplus += len(event.data)
            return f"{len(event.data)} octets of text"
        return about_event(event, Mask())

    def _text(self, octets: int) -> str | None:
        while self._surplus < octets:
            before = self._surplus
            output = self._next()
            if self._surplus == before:
                return f"{output}, after {before} octets of text"
        self._surplus -= octets
        return None


def machine_for(kind: str) -> tuple[Client[Any, Any, TlsDialogue], Makers]:
    """Return a new machine of a protocol, and the classes of its commands by name."""
    if kind == "imap":
        from ...protocols.imap import client as imap
        from ...protocols.imap import commands

        return imap.ImapClient(), names_of(commands)
    if kind == "pop3":
        from ...protocols.pop3 import client as pop3
        from ...protocols.pop3 import commands as pop3_commands

        return pop3.Pop3Client(), names_of(pop3_commands)
    if kind in {"smtp", "lmtp"}:
        from ...protocols.smtp import client as smtp
        from ...protocols.smtp import commands as smtp_commands

        return smtp.SmtpClient(lmtp=kind == "lmtp"), names_of(smtp_commands)
    raise ValueError(f"{kind!r} is not a protocol")


def names_of(module: object) -> Makers:
    """Return the records of a module, and those shared by all protocols, by name."""
    from ...protocols.sasl import exchange

    found = {**vars(exchange), **vars(module)}
    return {n: v for n, v in found.items() if isinstance(v, type) and issubclass(v, Record)}


def command_from(text: str, names: Makers) -> object:
    """Return the command written in a line. Raises ValueError for anything else."""
    return value_from(ast.parse(text, mode="eval").body, names)


def value_from(node: ast.expr, names: Makers) -> object:
    """Return the value of an expression: a literal, or a record of such values.

    Only records are ever called. Raises ValueError for anything else.
    """
    match node:
        case ast.Call(ast.Name("Secret"), [], []):
            return Secret(LEFT_OUT)
        case ast.Call(ast.Name("Secret"), [ast.Constant(8)], []):
            return Secret(LEFT_OUT + b"\xff")
        case ast.Call(ast.Name(name), [], keywords) if name in names:
            return names[name](**{str(k.arg): value_from(k.value, names) for k in keywords})
        case ast.Tuple(elements):
            return tuple(value_from(element, names) for element in elements)
        case ast.Constant(value):
            return value
        case _:
            raise ValueError("not a command")


def filler(octets: int) -> Iterator[bytes]:
    """Yield this many octets of text, in blocks."""
    while octets > 0:
        yield FILLER * min(octets, BLOCK)
        octets -= BLOCK


def compare(was: str, now: str) -> str | None:
    """Return ``now`` if it differs from ``was``. Masked words of any length are equal."""
    return None if MASKED.sub("*", was) == MASKED.sub("*", now) else now
