"""A mailbox of any size on a loopback port, by POP3 or IMAP: nothing of it is held in memory.

``python large_mailbox.py PROTOCOL TOTAL PORT`` prints its port (0: any) and serves.
Message N has the unique id ``id-N`` or the UID N; every one is UNSEEN, and nothing changes them.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

AT_ONCE = 20_000
"""Lines of a listing that are made together."""
SIZE = 200
FIELDS = b"BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM)]"


def text_of(number: int) -> bytes:
    """Return a message, SIZE octets of it."""
    header = (
        b"Message-ID: <%d@example.org>\r\nFrom: ann@example.org\r\nDate: today\r\n\r\n" % number
    )
    return header + b"x" * (SIZE - len(header) - 2) + b"\r\n"


def header_of(text: bytes) -> bytes:
    """Return the header of a message, with the empty line."""
    return text[: text.index(b"\r\n\r\n") + 4]


def lines(pattern: bytes, numbers: range) -> Iterator[bytes]:
    """Yield a line for each number, many at a time."""
    fields = pattern.count(b"%d")
    for start in range(0, len(numbers), AT_ONCE):
        yield b"".join([pattern % ((n,) * fields) for n in numbers[start : start + AT_ONCE]])


def pop3(file: BinaryIO, total: int) -> Iterator[bytes]:
    """Serve one connection by POP3."""
    yield b"+OK\r\n"
    for line in file:
        verb, *arguments = line.split()
        match verb.upper():
            case b"CAPA":
                yield b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n"
            case b"STAT":
                yield b"+OK %d %d\r\n" % (total, SIZE * total)
            case b"LIST":
                yield b"+OK\r\n"
                yield from lines(b"%%d %d\r\n" % SIZE, range(1, total + 1))
                yield b".\r\n"
            case b"UIDL":
                yield b"+OK\r\n"
                yield from lines(b"%d id-%d\r\n", range(1, total + 1))
                yield b".\r\n"
            case b"TOP" | b"RETR":
                text = text_of(int(arguments[0]))
                only_header = arguments[1:] == [b"0"]
                yield b"+OK\r\n%b.\r\n" % (header_of(text) if only_header else text)
            case _:
                yield b"+OK\r\n"
        if verb.upper() == b"QUIT":
            return


def imap(file: BinaryIO, total: int) -> Iterator[bytes]:
    """Serve one connection by IMAP. A message's UID is its number."""
    yield b"* OK [CAPABILITY IMAP4rev1 UIDPLUS] x\r\n"
    for line in file:
        tag, *words = line.upper().split()
        match words:
            case [b"SELECT" | b"EXAMINE", *_]:
                yield b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n" % total
            case [b"UID", b"SEARCH", *_]:
                yield b"* SEARCH"
                yield from lines(b" %d", range(1, total + 1))
                yield b"\r\n"
            case [b"UID", b"FETCH", numbers, *_] if b"HEADER.FIELDS" in line:
                for number in numbers_in(numbers):
                    yield fetched(number, FIELDS, header_only=True)
            case [b"UID", b"FETCH", numbers, *_] if b"BODY" in line:
                for number in numbers_in(numbers):
                    yield fetched(number, b"RFC822.SIZE %d BODY[]" % SIZE, header_only=False)
            case [b"UID", b"FETCH", numbers, *_]:
                pattern = b"* %%d FETCH (UID %%d FLAGS () RFC822.SIZE %d)\r\n" % SIZE
                for some in ranges_in(numbers):
                    yield from lines(pattern, some)
            case _:
                pass
        yield tag + b" OK done\r\n"
        if words == [b"LOGOUT"]:
            return


def fetched(number: int, items: bytes, *, header_only: bool) -> bytes:
    """Return a FETCH response with a text in it."""
    text = text_of(number)
    text = header_of(text) if header_only else text
    return b"* %d FETCH (UID %d %b {%d}\r\n%b)\r\n" % (number, number, items, len(text), text)


def ranges_in(numbers: bytes) -> Iterator[range]:
    """Yield the ranges of a set of numbers."""
    for piece in numbers.split(b","):
        first, _, last = piece.partition(b":")
        yield range(int(first), int(last or first) + 1)


def numbers_in(numbers: bytes) -> Iterator[int]:
    """Yield the numbers of a set."""
    for some in ranges_in(numbers):
        yield from some


PROTOCOLS: dict[str, Callable[[BinaryIO, int], Iterator[bytes]]] = {"POP3": pop3, "IMAP": imap}


def serve(connection: socket.socket, protocol: str, total: int) -> None:
    """Serve one connection until its end."""
    with connection, connection.makefile("rb") as file:
        try:
            for piece in PROTOCOLS[protocol](file, total):
                connection.sendall(piece)
        except OSError:
            return


def main() -> None:
    """Print the port, and serve one connection after another."""
    protocol, total = sys.argv[1], int(sys.argv[2])
    with socket.create_server(("127.0.0.1", int(sys.argv[3]))) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, protocol, total), daemon=True).start()


@contextmanager
def large_mailbox(protocol: str, total: int, port: int = 0) -> Generator[int, None, None]:
    """Serve that many messages from a process of its own until the block ends; yield the port."""
    command = [sys.executable, str(Path(__file__)), protocol, str(total), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout
            yield int(server.stdout.readline())
        finally:
            server.kill()


if __name__ == "__main__":
    main()
