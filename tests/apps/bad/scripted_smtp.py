"""An SMTP or LMTP server that accepts mail and misbehaves exactly as configured."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from typing import BinaryIO

from .peer import HANG_UP, SILENCE, Peer


class ScriptedSmtp(Peer):
    """Accepts mail for all recipients and records it in ``accepted``.

    ``replies`` has for a verb (``greeting``, ``EHLO``, ``LHLO``, ``HELO``, ``MAIL``, ``RCPT``,
    ``DATA``, ``text`` for a word in the middle of it, ``dot``) the replies in place of the usual
    ones, one for each time in turn and "" for the usual; a reply may be HANG_UP or SILENCE. While
    ``gate`` is clear the answer to the final dot is held back; ``dotted`` says that one is due.
    """

    def __init__(
        self,
        replies: Mapping[str, list[bytes]] | None = None,
        extensions: tuple[bytes, ...] = (b"PIPELINING", b"8BITMIME"),
    ) -> None:
        super().__init__()
        self._replies = {verb: list(some) for verb, some in (replies or {}).items()}
        self._extensions = extensions
        self.accepted: list[bytes] = []
        self.verbs: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.dotted = threading.Event()

    def _next(self, verb: str, usual: bytes) -> bytes:
        replies = self._replies.get(verb)
        return (replies.pop(0) if replies else b"") or usual

    def serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            going_on = self._say(connection, self._next("greeting", b"220 sink ready"))
            lmtp = sender = False
            taken = 0
            while going_on and (line := lines.readline()):
                verb = line[:4].upper().decode()
                self.verbs.append(verb)
                lmtp = lmtp or verb == "LHLO"
                usual = self._usual(verb)
                if verb in {"RCPT", "DATA"} and not (sender and (taken or verb == "RCPT")):
                    usual = b"503 in vain"
                reply = self._next(verb, usual)
                if verb in {"MAIL", "RSET"}:
                    taken = 0
                    sender = verb == "MAIL" and reply.startswith(b"250")
                if verb == "RCPT" and reply.startswith(b"250"):
                    taken += 1
                going_on = self._say(connection, reply) and verb != "QUIT"
                if verb == "DATA" and reply.startswith(b"354") and going_on:
                    going_on = self._take_text(connection, lines, taken if lmtp else 1)

    def _usual(self, verb: str) -> bytes:
        match verb:
            case "EHLO" | "LHLO":
                *more, last = [b"sink", *self._extensions]
                return b"".join(b"250-%b\r\n" % one for one in more) + b"250 " + last
            case "DATA":
                return b"354 go on"
            case "QUIT":
                return b"221 see you"
            case _:
                return b"250 done"

    def _say(self, connection: socket.socket, reply: bytes) -> bool:
        """Send a reply; False when the conversation is over."""
        if reply == HANG_UP:
            return False
        if reply != SILENCE:
            connection.sendall(reply + b"\r\n")
        return True

    def _take_text(self, connection: socket.socket, lines: BinaryIO, replies: int) -> bool:
        text: list[bytes] = []
        early = self._next("text", b"")
        spoken = False
        while (line := lines.readline()) != b".\r\n":
            if not line:
                return False
            text.append(line.removeprefix(b"."))
            if early and (not self._say(connection, early) or early.startswith(b"421")):
                return False
            spoken, early = spoken or bool(early), b""
        if spoken:
            return True
        self.dotted.set()
        self.gate.wait(30)
        answers = [self._next("dot", b"250 taken") for _ in range(replies)]
        self.accepted += [b"".join(text) for one in answers if one.startswith(b"250")]
        return all(self._say(connection, answer) for answer in answers)
