"""A bare SMTP sink in a process of its own: it keeps texts as they came and does nothing else.

``python -m bench.sink [EXTENSION ...]`` prints its port. For each line on its standard input it
prints, as JSON, the keys of the messages that it took since the last time.
"""

from __future__ import annotations

import json
import socket
import sys
import threading

from .mail import Key, key

READ = 262144
END = b"\r\n.\r\n"

Text = tuple[bool, bytes]
"""Whether dots at the beginning of a line are doubled, and a message as it came."""


class Session:
    """One connection."""

    def __init__(self, stream: socket.socket, taken: list[Text], hello: bytes) -> None:
        self._stream = stream
        self._taken = taken
        self._hello = hello
        self._rest = b""
        self._chunks: list[bytes] = []

    def serve(self) -> None:
        """Answer command after command until the client leaves."""
        self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._stream:
            try:
                self._stream.sendall(b"220 sink ESMTP\r\n")
                while self._answer_group():
                    pass
            except ConnectionError:
                return

    def _answer_group(self) -> bool:
        """Answer all commands that are there, in one write; False after the last."""
        while b"\n" not in self._rest:
            if not self._read():
                return False
        replies: list[bytes] = []
        while b"\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            verb = line[:4].upper()
            if verb == b"EHLO":
                replies.append(self._hello)
            elif verb == b"DATA":
                self._stream.sendall(b"".join([*replies, b"354 go ahead\r\n"]))
                self._taken.append((True, self._text()))
                replies = [b"250 taken\r\n"]
            elif verb == b"BDAT":
                replies.append(self._chunk(line.split()))
            elif verb == b"QUIT":
                self._stream.sendall(b"".join([*replies, b"221 bye\r\n"]))
                return False
            else:
                replies.append(b"250 ok\r\n")
        self._stream.sendall(b"".join(replies))
        return True

    def _read(self) -> bool:
        data = self._stream.recv(READ)
        self._rest += data
        return bool(data)

    def _text(self) -> bytes:
        """Read a text up to its dot and return it, with its dots doubled."""
        pieces, tail, data = [b""], b"\r\n", self._rest
        while True:
            window = tail + data
            end = window.find(END)
            if end >= 0:
                break
            pieces.append(data)
            tail = window[-4:]
            data = self._stream.recv(READ)
            if not data:
                raise ConnectionResetError
        past = end + len(END) - len(tail)
        pieces.append(data[: max(past, 0)])
        self._rest = data[past:]
        return b"".join(pieces)[:-3]

    def _chunk(self, words: list[bytes]) -> bytes:
        """Read a chunk of so many octets (RFC 3030); the last one completes a message."""
        wanted = int(words[1])
        data = self._rest
        while data and wanted >= len(data):
            self._chunks.append(data)
            wanted -= len(data)
            data = self._stream.recv(min(READ, wanted)) if wanted else b""
        if wanted and not data:
            raise ConnectionResetError
        self._chunks.append(data[:wanted])
        self._rest = data[wanted:]
        if len(words) > 2:
            self._taken.append((False, b"".join(self._chunks)))
            self._chunks = []
        return b"250 taken\r\n"


def accept(listener: socket.socket, taken: list[Text], hello: bytes) -> None:
    """Serve every connection in a thread of its own."""
    while True:
        stream, _ = listener.accept()
        session = Session(stream, taken, hello)
        threading.Thread(target=session.serve, daemon=True).start()


def keys(taken: list[Text]) -> list[Key]:
    """Return the keys of texts, and forget the texts."""
    found: list[Key] = []
    while taken:
        stuffed, text = taken.pop(0)
        found.append(key(text.replace(b"\r\n..", b"\r\n.") if stuffed else text))
    return found


def main(extensions: list[str]) -> None:
    """Serve until standard input ends."""
    taken: list[Text] = []
    hello = "".join(f"250-{extension}\r\n" for extension in ("sink", *extensions, "8BITMIME"))
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        print(listener.getsockname()[1], flush=True)
        said = (hello + "250 SIZE\r\n").encode()
        threading.Thread(target=accept, args=(listener, taken, said), daemon=True).start()
        for _ in sys.stdin:
            print(json.dumps(keys(taken)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
