"""The least that reading a mailbox takes: everything asked for in one write, read as a stream."""

from __future__ import annotations

import socket
from collections.abc import Iterator

READ = 262144


class Line:
    """A connection, read by lines and by counts of octets."""

    def __init__(self, port: int, authority: str = "") -> None:
        stream = socket.create_connection(("127.0.0.1", port))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if authority:
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(authority)
            stream = context.wrap_socket(stream, server_hostname="localhost")
        self.send = stream.sendall
        self._recv = stream.recv
        self._buffer = b""
        self._start = 0

    def past(self, end: bytes) -> bytes:
        """Return the next octets, up to and including an end."""
        while (at := self._buffer.find(end, self._start)) < 0:
            self._more()
        return self._take(at + len(end))

    def exactly(self, octets: int) -> bytes:
        """Return so many octets."""
        have = len(self._buffer) - self._start
        if have >= octets:
            return self._take(self._start + octets)
        pieces = [self._take(len(self._buffer))]
        while have < octets:
            data = self._recv(READ)
            if not data:
                raise EOFError
            pieces.append(data)
            have += len(data)
        self._buffer, whole = pieces[-1], b"".join(pieces)
        self._start = len(self._buffer) - (have - octets)
        return whole[:octets]

    def line(self) -> bytes:
        """Return the next line."""
        return self.past(b"\r\n")

    def until(self, start: bytes) -> bytes:
        """Return the first line that begins like this."""
        while not (line := self.line()).startswith(start):
            pass
        return line

    def _take(self, end: int) -> bytes:
        taken = self._buffer[self._start : end]
        self._start = end
        return taken

    def _more(self) -> None:
        data = self._recv(READ)
        if not data:
            raise EOFError
        self._buffer = self._buffer[self._start :] + data
        self._start = 0


class Imap:
    """An inbox by IMAP."""

    def __init__(self, port: int, user: str, password: str, authority: str = "") -> None:
        self._line = Line(port, authority)
        self._line.until(b"* OK")
        self._line.send(b'a LOGIN "%b" "%b"\r\n' % (user.encode(), password.encode()))
        self._line.until(b"a OK")

    def texts(self) -> Iterator[bytes]:
        """Yield every message, with CRLF."""
        self._line.send(b"b SELECT INBOX\r\nc UID FETCH 1:* BODY.PEEK[]\r\n")
        while not (line := self._line.line()).startswith(b"c "):
            if line.endswith(b"}\r\n"):
                yield self._line.exactly(int(line[line.rindex(b"{") + 1 : -3]))

    def delete(self) -> None:
        """Delete every message, and leave."""
        self._line.send(b"d UID STORE 1:* +FLAGS.SILENT (\\Deleted)\r\ne EXPUNGE\r\nf LOGOUT\r\n")
        self._line.until(b"e OK")
        self._line.until(b"f OK")

    def append(self, text: bytes) -> None:
        """Store a message in the inbox, without waiting for anything (LITERAL+, RFC 7888)."""
        self._line.send(b"g APPEND INBOX {%d+}\r\n" % len(text) + text + b"\r\n")

    def end_appending(self) -> None:
        """Leave after what has been sent."""
        self._line.send(b"f LOGOUT\r\n")

    def count_appended(self) -> int:
        """Read replies to the end; return how many messages were stored."""
        count = 0
        while not (line := self._line.line()).startswith(b"f "):
            count += line.startswith(b"g OK")
        return count

    def new(self) -> list[bytes]:
        """Return the UIDs of unseen messages, and leave."""
        self._line.send(b"b SELECT INBOX\r\nc UID SEARCH UNSEEN\r\n")
        found = self._line.until(b"* SEARCH").split()[2:]
        self._line.until(b"c OK")
        self._line.send(b"f LOGOUT\r\n")
        self._line.until(b"f OK")
        return found


class Pop3:
    """A mailbox by POP3."""

    def __init__(self, port: int, user: str, password: str, authority: str = "") -> None:
        self._line = Line(port, authority)
        self._line.until(b"+OK")
        self._line.send(b"USER %b\r\nPASS %b\r\n" % (user.encode(), password.encode()))
        self._line.until(b"+OK")
        self._line.until(b"+OK")
        self._count = 0

    def texts(self) -> Iterator[bytes]:
        """Yield every message, with CRLF."""
        self._line.send(b"STAT\r\n")
        self._count = int(self._line.until(b"+OK").split()[1])
        asked = 0
        for number in range(1, self._count + 1):
            if number > asked - 100:
                # Not all at once: a server may read no further command before it has written.
                upto = min(asked + 200, self._count)
                self._line.send(b"".join(b"RETR %d\r\n" % n for n in range(asked + 1, upto + 1)))
                asked = upto
            yield self._text()

    def delete(self) -> None:
        """Delete every message, and leave."""
        numbers = range(1, self._count + 1)
        self._line.send(b"".join(b"DELE %d\r\n" % n for n in numbers) + b"QUIT\r\n")
        for _ in range(self._count + 1):
            self._line.until(b"+OK")

    def new(self) -> list[bytes]:
        """Return the numbers of messages whose UID is new to a client that knows all, and leave."""
        self._line.send(b"STAT\r\nUIDL\r\nLIST\r\n")
        self._line.until(b"+OK")
        uids = dict(line.split()[::-1] for line in self._lines())
        sizes = dict(line.split() for line in self._lines())
        known = {*uids}
        found = [number for uid, number in uids.items() if uid not in known and number in sizes]
        self._line.send(b"QUIT\r\n")
        self._line.until(b"+OK")
        return found

    def _lines(self) -> list[bytes]:
        """Return the lines of a reply."""
        self._line.until(b"+OK")
        return self._line.past(b"\r\n.\r\n").split(b"\r\n")[:-2]

    def _text(self) -> bytes:
        """Return the text of a reply."""
        self._line.until(b"+OK")
        return self._line.past(b"\r\n.\r\n")[:-3].replace(b"\r\n..", b"\r\n.")


SOURCES: dict[str, type[Imap] | type[Pop3]] = {"imap": Imap, "pop3": Pop3}
