"""The least that delivering takes, for each kind of sink."""

from __future__ import annotations

import os
import socket

READ = 65536


class Smtp:
    """A listener: one turn for each message, with its envelope sent after the dot before.

    With CHUNKING (RFC 3030) nothing has to be waited for.
    """

    def __init__(self, port: int) -> None:
        self._stream = socket.create_connection(("127.0.0.1", port))
        self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._replies(1)
        self._stream.sendall(b"EHLO floor\r\n")
        self._chunking = False
        while not (line := self._reply()).startswith(b"250 "):
            self._chunking |= line.startswith(b"250-CHUNKING")
        self._owed = 0
        self._dot = b""

    def put(self, text: bytes) -> None:
        """Send a message; its reply is read with the next one."""
        envelope = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@localhost>\r\n"
        if self._chunking:
            self._stream.sendall(envelope + b"BDAT %d LAST\r\n" % len(text) + text)
            self._owed += 3
            return
        self._stream.sendall(self._dot + envelope + b"DATA\r\n")
        self._replies(3 + bool(self._dot))
        self._dot = text.replace(b"\r\n.", b"\r\n..") + b".\r\n"

    def flush(self) -> None:
        """Wait until everything is taken, and leave."""
        self._stream.sendall(self._dot + b"QUIT\r\n")
        self._replies(self._owed + bool(self._dot) + 1)

    def _replies(self, count: int) -> None:
        for _ in range(count):
            if self._reply()[:1] not in b"23":
                raise ConnectionError("the listener refused a command")

    def _reply(self) -> bytes:
        while b"\n" not in self._rest:
            data = self._stream.recv(READ)
            if not data:
                raise EOFError
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


class Maildir:
    """A Maildir: batches are written, synced, renamed, and then their folder is synced."""

    BATCH = 100

    def __init__(self, path: str) -> None:
        self._drafts, self._new = os.path.join(path, "tmp"), f"{path}/new"
        for folder in (self._drafts, self._new, f"{path}/cur"):
            os.makedirs(folder, exist_ok=True)
        self._batch: list[tuple[int, str]] = []
        self._count = 0

    def put(self, text: bytes) -> None:
        """Write a message."""
        self._count += 1
        name = f"{self._count}.floor"
        file = os.open(f"{self._drafts}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, text.replace(b"\r\n", b"\n"))
        self._batch.append((file, name))
        if len(self._batch) == self.BATCH:
            self.flush()

    def flush(self) -> None:
        """Make everything durable."""
        for file, _ in self._batch:
            os.fsync(file)
            os.close(file)
        for _, name in self._batch:
            os.rename(f"{self._drafts}/{name}", f"{self._new}/{name}")
        self._batch.clear()
        folder = os.open(self._new, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


class Mda:
    """A process for each message."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def put(self, text: bytes) -> None:
        """Run the program with the message in a file as its standard input."""
        file = os.memfd_create("message")
        os.write(file, text)
        os.lseek(file, 0, os.SEEK_SET)
        child = os.posix_spawn(
            self._command[0],
            self._command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, file, 0)],
        )
        os.close(file)
        if os.waitpid(child, 0)[1]:
            raise ChildProcessError(self._command)

    def flush(self) -> None:
        """Do nothing: every message is delivered."""
