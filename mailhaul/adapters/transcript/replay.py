"""Goes through a transcript again: gives a new machine what the old one was given, and compares.

What was left out is made up: texts are so many octets of filler, secrets are empty of meaning,
and challenges ask for nothing. The machines do not care.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...protocols.errors import ProtocolError, RemoteProtocolError
from ...protocols.machine import NeedData
from ...protocols.record import Record
from ...protocols.secret import Secret
from . import lines
from .lines import Line, Mask, parse, unescaped
from .recorder import about_event, about_fault

INPUTS = frozenset({"receive_eof", "tls_started", "assume_authenticated"})
LAST = "compressed"
"""Stands where a transcript ends because no more can be told."""
FILLER = b"x"
STARS = re.compile(r"\*+")
BLOCK = 256 * 1024
LEFT_OUT = b"left-out-of-the-transcript"


class Replayed(Record):
    """One line of a transcript, and what came ``instead``: None where it is as it was."""

    line: Line
    instead: str | None


def replay(texts: Iterable[str]) -> Iterator[Replayed]:
    """Go through a transcript. Raises ValueError for what is none, with the line's number."""
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
    """One connection, with a machine of its own. Raises ValueError for an unknown protocol."""

    def __init__(self, kind: str) -> None:
        self._machine, self._commands = machine_for(kind)
        self._surplus = 0
        self._lost = False

    def step(self, line: Line) -> str | None:
        """Do what the line says; return what came instead of it. Behind a fault nothing counts."""
        match line.kind:
            case lines.HEARD:
                self._machine.receive_data(unescaped(line.about))
            case lines.TEXT_HEARD:
                for piece in filler(int(line.about)):
                    self._machine.receive_data(piece)
            case lines.SAID | lines.TEXT_SAID:
                return self._say(line)
            case lines.INPUT if line.about in INPUTS:
                getattr(self._machine, line.about)()
            case lines.INPUT if line.about == LAST:
                pass
            case lines.EVENT | lines.FAULT:
                return compare(line.about, self._next())
            case lines.TEXT_EVENT:
                return self._text(int(line.about))
            case _:
                raise ValueError(f"{line.kind!r} is no kind of line")
        return None

    def _say(self, line: Line) -> str | None:
        try:
            for command in self._commands_of(line):
                self._machine.send(command)
            self._machine.data_to_send()
        except ProtocolError as error:
            return f"this cannot be sent now: {error}"
        return None

    def _commands_of(self, line: Line) -> Iterator[Any]:
        if line.kind == lines.SAID:
            yield command_from(line.about, self._commands)
            return
        chunk = self._commands.get("AppendChunk") or self._commands["BodyChunk"]
        octets, _, shown = line.about.partition(" ")
        for piece in [unescaped(shown)] if shown else filler(int(octets)):
            yield chunk(piece)

    def _next(self) -> str:
        """Return what the machine gives now, text apart."""
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
            came = self._next()
            if self._surplus == before:
                return f"{came}, behind {before} octets of text"
        self._surplus -= octets
        return None


def machine_for(kind: str) -> tuple[Any, dict[str, Any]]:
    """Return a new machine of a protocol, and the classes that its commands are made of."""
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
    raise ValueError(f"{kind!r} is no protocol")


def names_of(module: object) -> dict[str, Any]:
    """Return the records that a module defines, with those that all protocols share."""
    from ...protocols.sasl import exchange

    found = {**vars(exchange), **vars(module)}
    return {n: v for n, v in found.items() if isinstance(v, type) and issubclass(v, Record)}


def command_from(text: str, names: dict[str, Any]) -> Any:
    """Make the command that a line shows. Raises ValueError for anything else."""
    return made(ast.parse(text, mode="eval").body, names)


def made(node: ast.expr, names: dict[str, Any]) -> Any:
    """Make a value: a literal, or a record of such values. Nothing is ever called but records."""
    match node:
        case ast.Call(ast.Name("Secret"), [], []):
            return Secret(LEFT_OUT)
        case ast.Call(ast.Name("Secret"), [ast.Constant(8)], []):
            return Secret(LEFT_OUT + b"\xff")
        case ast.Call(ast.Name(name), [], keywords) if name in names:
            return names[name](**{str(k.arg): made(k.value, names) for k in keywords})
        case ast.Tuple(elements):
            return tuple(made(element, names) for element in elements)
        case ast.Constant(value):
            return value
        case _:
            raise ValueError("no command")


def filler(octets: int) -> Iterator[bytes]:
    """Yield so many octets of text."""
    while octets > 0:
        yield FILLER * min(octets, BLOCK)
        octets -= BLOCK


def compare(was: str, now: str) -> str | None:
    """Return what came if it is something else; a masked word has any number of stars."""
    return None if STARS.sub("*", was) == STARS.sub("*", now) else now
