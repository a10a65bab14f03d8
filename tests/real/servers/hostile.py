"""Peers that mean harm, on loopback ports: a dialogue as it should be, and then a flood."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat

MOST_SENT = 300 * 1024 * 1024
"""Octets after which a flood ends, though nobody has stopped it."""
BLOCK = 256 * 1024


@dataclass(frozen=True)
class Flood:
    """What is sent once, and the blocks that follow it, which may have no end."""

    before: bytes
    blocks: Callable[[], Iterator[bytes]]


Answer = bytes | Flood


def endless(before: bytes, text: bytes) -> Flood:
    """Repeat a text for ever."""
    return Flood(before, partial(repeat, text * (BLOCK // len(text) + 1)))


def counted(before: bytes, line: bytes, first: int = 1, step: int = 1) -> Flood:
    """Repeat a line for ever, each time with another number, in every ``%d`` of it."""
    return many(before, line, range(first, 10**9, step), b"")


def many(before: bytes, line: bytes, numbers: Sequence[int], after: bytes) -> Flood:
    """Send a line with each of these numbers, in every ``%d`` of it."""
    fields = line.count(b"%d")

    at_once = BLOCK // len(line) + 1

    def blocks() -> Iterator[bytes]:
        for start in range(0, len(numbers), at_once):
            yield b"".join(line % ((n,) * fields) for n in numbers[start : start + at_once])
        yield after

    return Flood(before, blocks)


class Gone(Exception):
    """The other side has left, or has been sent enough."""


@dataclass
class Hostile:
    """A peer that is listening, what it has sent, and the commands that it has heard."""

    port: int = 0
    sent: int = 0
    heard: list[bytes] = field(default_factory=list)

    @property
    def was_asked_to_delete(self) -> bool:
        """Whether it has heard DELE or STORE."""
        commands = [line.upper() for line in self.heard]
        return any(line.startswith(b"DELE ") or b" STORE " in line for line in commands)


class Peer:
    """One connection, as a script sees it."""

    def __init__(self, connection: socket.socket, hostile: Hostile) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self._hostile = hostile

    def hear(self) -> bytes:
        """Return the next line without its line end. Raises Gone at the end."""
        line = self._file.readline(BLOCK)
        if not line:
            raise Gone
        self._hostile.heard.append(line[:200])
        return line.rstrip(b"\r\n")

    def say(self, answer: Answer) -> None:
        """Send an answer. Raises Gone where there is nobody to send it to."""
        if isinstance(answer, bytes):
            self._send(answer)
            return
        self._send(answer.before)
        for block in answer.blocks():
            self._send(block)

    def _send(self, data: bytes) -> None:
        if self._hostile.sent > MOST_SENT:
            raise Gone
        self._connection.sendall(data)
        self._hostile.sent += len(data)


Script = Callable[[Peer], None]


@contextmanager
def hostile(script: Script) -> Generator[Hostile, None, None]:
    """Let a script speak on every connection to a free loopback port until the block ends."""
    peer = Hostile()
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def session(connection: socket.socket) -> None:
        try:
            script(Peer(connection, peer))
        except (Gone, OSError):
            pass
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=session, args=(connection,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer.port = int(listener.getsockname()[1])
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield peer
        finally:
            # Closing alone wakes up no thread that waits in accept or recv.
            listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
            for thread in (accepting, *threads):
                thread.join(5)


def in_turn(*scripts: Script) -> Script:
    """Let each connection have the next script, and the last one all that follow."""
    left = list(scripts)

    def serve(peer: Peer) -> None:
        script = left.pop(0) if len(left) > 1 else left[0]
        script(peer)

    return serve


def hang_up() -> Iterator[bytes]:
    """End the connection in place of an answer."""
    raise Gone
    yield b""


HANG_UP = Flood(b"", hang_up)

# Dialogues, of which a test replaces some answers

TEXT = b"From: ann@example.org\r\nTo: joe@localhost\r\nSubject: mine\r\n\r\nMine.\r\n"
SIZE = len(TEXT)
UIDS = b"1 uid-1\r\n2 uid-2\r\n.\r\n"


def pop3(text: bytes = TEXT, /, **answers: Answer) -> Script:
    """A POP3 server with two messages, but for some answers."""
    size = len(text)
    known: dict[str, Answer] = {
        "greeting": b"+OK\r\n",
        "capa": b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n",
        "stat": b"+OK 2 %d\r\n" % (2 * size),
        "list": b"+OK\r\n1 %d\r\n2 %d\r\n.\r\n" % (size, size),
        "uidl": b"+OK\r\n" + UIDS,
        "top": b"+OK\r\n%b.\r\n" % text,
        "retr": b"+OK\r\n%b.\r\n" % text,
        **answers,
    }

    def serve(peer: Peer) -> None:
        peer.say(known["greeting"])
        while True:
            verb = peer.hear().partition(b" ")[0].lower().decode("ascii", "replace")
            peer.say(known.get(verb, b"+OK\r\n"))
            if verb == "quit":
                return

    return serve


def imap(capabilities: bytes = b"", /, **answers: Answer) -> Script:
    """An IMAP server with one message, but for some answers. ``TAG`` stands for the tag."""
    known: dict[str, Answer] = {
        "greeting": b"* OK [CAPABILITY IMAP4rev1 UIDPLUS%b] x\r\n" % capabilities,
        "select": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK [READ-WRITE] x\r\n",
        "search": b"* SEARCH 7\r\nTAG OK\r\n",
        "sizes": b"* 1 FETCH (UID 7 RFC822.SIZE %d)\r\nTAG OK\r\n" % SIZE,
        "headers": b"* 1 FETCH (UID 7 BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM)] {2}\r\n\r\n)\r\n"
        b"TAG OK\r\n",
        "text": b"* 1 FETCH (UID 7 RFC822.SIZE %d BODY[] {%d}\r\n%b)\r\nTAG OK\r\n"
        % (SIZE, SIZE, TEXT),
        **answers,
    }

    def serve(peer: Peer) -> None:
        peer.say(known["greeting"])
        while True:
            tag, _, command = peer.hear().partition(b" ")
            answer = known.get(asked_for(command.upper()), b"TAG OK\r\n")
            if isinstance(answer, bytes):
                peer.say(answer.replace(b"TAG", tag))
            else:
                peer.say(Flood(answer.before.replace(b"TAG", tag), answer.blocks))
                # A flood that has an end, and the reply that is still due.
                peer.say(tag + b" OK\r\n")
            if command.upper() == b"LOGOUT":
                return

    return serve


def asked_for(command: bytes) -> str:
    """Return the name of the answer to an IMAP command."""
    words = [*command.split(), b"", b""]
    verb = (words[1] if words[0] == b"UID" else words[0]).lower().decode("ascii", "replace")
    if verb != "fetch":
        return verb
    if b"HEADER.FIELDS" in command:
        return "headers"
    return "text" if b"BODY" in command else "sizes"


def smtp(**answers: Answer) -> Script:
    """A listener that takes everything, but for some answers. ``dot`` answers the final dot."""
    known: dict[str, Answer] = {
        "greeting": b"220 sink\r\n",
        "data": b"354 go\r\n",
        "dot": b"250 ok\r\n",
        "quit": b"221 bye\r\n",
        **answers,
    }

    def serve(peer: Peer) -> None:
        peer.say(known["greeting"])
        while True:
            verb = peer.hear().partition(b" ")[0].lower().decode("ascii", "replace")
            peer.say(known.get(verb, b"250 ok\r\n"))
            if verb == "data":
                while peer.hear() != b".":
                    pass
                peer.say(known["dot"])

    return serve
