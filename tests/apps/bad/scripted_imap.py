"""An IMAP server with a mailbox that misbehaves exactly as configured."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Mapping

from .peer import HANG_UP, SILENCE, Peer, hang_up

UIDVALIDITY = 7


def message(number: int, body: bytes = b"") -> bytes:
    """Return a small message."""
    text = body or b"The body of message %d is here.\r\n" % number
    return (
        b"From: ann@example.org\r\nTo: joe@example.net\r\nSubject: number %d\r\n"
        b"Message-ID: <%d@example.org>\r\n\r\n" % (number, number) + text
    )


def subjects(texts: Iterable[bytes]) -> list[int]:
    """Return the numbers in the subjects of messages."""
    return [int(text.partition(b"Subject: number ")[2].split()[0]) for text in texts]


class ScriptedImap(Peer):
    """One mailbox, whose messages have the UIDs 1, 2, ... and are the same to all sessions.

    ``greeting`` is sent as it is, or may be HANG_UP. ``answers`` replaces the answer to a
    command by other words behind the tag, by whole lines that begin with ``*`` (``<tag>`` stands
    for the tag), or by HANG_UP or SILENCE; its keys are commands in upper case, with the first
    argument if they are about one message: ``SELECT``, ``UID FETCH 2``. ``cuts``
    names for a UID the bytes before which the answer to its fetch breaks off. ``bytewise`` sends
    everything one byte at a time. With ``tls`` the server offers STARTTLS, or with ``wrapped``
    speaks TLS at once.
    """

    def __init__(
        self,
        *messages: bytes,
        greeting: bytes = b"* OK ready\r\n",
        capabilities: bytes = b"IMAP4rev1 UIDPLUS",
        answers: Mapping[str, bytes] | None = None,
        cuts: Mapping[int, bytes] | None = None,
        tls: ssl.SSLContext | None = None,
        wrapped: bool = False,
        bytewise: bool = False,
    ) -> None:
        super().__init__()
        self.mailbox = dict(enumerate(messages, 1))
        self.flags: dict[int, set[bytes]] = {uid: set() for uid in self.mailbox}
        self.greeting = greeting
        self.capabilities = capabilities
        self.answers = dict(answers or {})
        self.cuts = dict(cuts or {})
        self.tls = tls
        self.wrapped = wrapped
        self.bytewise = bytewise
        self.commands: list[str] = []

    @property
    def changes(self) -> list[str]:
        """The commands that deleted or marked messages, or tried to."""
        return [line for line in self.commands if "STORE" in line or "EXPUNGE" in line]

    @property
    def kept(self) -> list[int]:
        """The UIDs of the messages without flags."""
        return [uid for uid in self.mailbox if not self.flags[uid]]

    def serve(self, connection: socket.socket) -> None:
        if self.wrapped and self.tls:
            connection = self.start_tls(connection, self.tls)
        if self.greeting == HANG_UP:
            return
        self._send(connection, self.greeting)
        upgraded = self._converse(connection)
        while upgraded:
            assert self.tls
            connection = self.start_tls(connection, self.tls)
            upgraded = self._converse(connection)
        hang_up(connection)

    def _send(self, connection: socket.socket, data: bytes) -> None:
        if not self.bytewise:
            connection.sendall(data)
            return
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])

    def _converse(self, connection: socket.socket) -> bool:
        """Answer commands until the end; True when TLS is to start."""
        with connection.makefile("rb") as lines:
            for line in lines:
                tag, _, raw = line.strip().partition(b" ")
                command = raw.decode("utf-8", "backslashreplace")
                words = command.split(" ")
                verb = " ".join(words[:2] if words[0] == "UID" else words[:1])
                rest = words[len(verb.split()) :]
                self.commands.append(command)
                answer = self.answers.get(f"{verb} {rest[0] if rest else ''}".strip())
                answer = self.answers.get(verb) if answer is None else answer
                if answer == HANG_UP:
                    return False
                if answer == SILENCE:
                    continue
                if answer is not None:
                    whole = answer if answer.startswith(b"* ") else b"<tag> " + answer
                    self._send(connection, whole.replace(b"<tag>", tag) + b"\r\n")
                    continue
                whole = self._answer(verb, rest) + tag + b" OK done\r\n"
                if verb == "UID FETCH" and rest[0].isdigit() and int(rest[0]) in self.cuts:
                    self._send(connection, whole.partition(self.cuts[int(rest[0])])[0])
                    return False
                self._send(connection, whole)
                if verb == "LOGOUT":
                    return False
                if verb == "STARTTLS":
                    return True
        return False

    def _answer(self, verb: str, rest: list[str]) -> bytes:
        """Execute a command; return the untagged responses."""
        match verb:
            case "CAPABILITY":
                return b"* CAPABILITY " + self.capabilities + b"\r\n"
            case "SELECT" | "EXAMINE":
                return b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] valid\r\n" % (
                    len(self.mailbox),
                    UIDVALIDITY,
                )
            case "UID SEARCH":
                found = [uid for uid in self.mailbox if all(self._fits(uid, w) for w in rest)]
                return " ".join(["* SEARCH", *map(str, found)]).encode() + b"\r\n"
            case "UID FETCH":
                return b"".join(self._fetch(uid, "BODY" in rest[-1]) for uid in self._set(rest[0]))
            case "UID STORE":
                for uid in self._set(rest[0]):
                    self.flags[uid] |= {w.strip("()").encode() for w in rest[2:]}
                return b""
            case "UID EXPUNGE":
                return self._expunge(self._set(rest[0]))
            case "EXPUNGE":
                return self._expunge(list(self.mailbox))
            case "LOGOUT":
                return b"* BYE see you\r\n"
            case _:
                return b""

    def _fits(self, uid: int, word: str) -> bool:
        flag = b"\\Seen" if word.endswith("SEEN") else b"\\Deleted"
        return (flag in self.flags[uid]) != word.startswith("UN")

    def _set(self, text: str) -> list[int]:
        largest = str(max(self.mailbox, default=0))
        ranges = [part.partition(":") for part in text.replace("*", largest).split(",")]
        wanted = [range(int(first), int(last or first) + 1) for first, _, last in ranges]
        return [uid for uid in self.mailbox if any(uid in one for one in wanted)]

    def _fetch(self, uid: int, with_text: bool) -> bytes:
        number = list(self.mailbox).index(uid) + 1
        text = self.mailbox[uid]
        body = b" BODY[] {%d}\r\n%b" % (len(text), text) if with_text else b""
        told = (number, uid, b" ".join(sorted(self.flags[uid])), len(text), body)
        return b"* %d FETCH (UID %d FLAGS (%b) RFC822.SIZE %d%b)\r\n" % told

    def _expunge(self, uids: list[int]) -> bytes:
        gone = b""
        for uid in uids:
            if b"\\Deleted" in self.flags[uid]:
                gone += b"* %d EXPUNGE\r\n" % (list(self.mailbox).index(uid) + 1)
                del self.mailbox[uid]
        return gone
