"""An IMAP server for the tests of a program that reads mail.

    pytest examples/test_server.py
    python examples/test_server.py PORT

The server and its mailboxes live in this process, so that a test can look at both ends. What is
imported from mailhaul.runtimes is not public yet: it may change its place.
"""

from __future__ import annotations

import imaplib
import socket
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from mailhaul import imap
from mailhaul.runtimes import blocking
from mailhaul.runtimes.engine import Engine
from mailhaul.servers import Channel, Mailbox, Mailboxes, serve_imap

USERS = {b"joe": b"sesame"}


def serve(connection: socket.socket, mailboxes: Mailboxes) -> None:
    """Serve one client until it leaves."""
    channel = Channel("client", imap.Server())
    engine = Engine(time.monotonic)
    engine.adopt(channel, connection)
    blocking.run(serve_imap(channel, mailboxes, USERS), engine)


@contextmanager
def imap_server(mailboxes: Mailboxes) -> Generator[int, None, None]:
    """Serve one client on a free port of this machine; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(
            target=lambda: serve(listener.accept()[0], mailboxes), daemon=True
        )
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_message_is_marked_as_read() -> None:
    mailboxes = Mailboxes({b"INBOX": Mailbox([b"Subject: hello\r\n\r\nworld\r\n"])})
    with imap_server(mailboxes) as port, imaplib.IMAP4("127.0.0.1", port) as reader:
        reader.login("joe", "sesame")
        reader.select("INBOX")
        reader.store("1", "+FLAGS", "\\Seen")
    (message,) = mailboxes[b"INBOX"].messages
    assert b"\\Seen" in message.flags


def main(port: str) -> None:
    """Serve client after client, for a look by hand: user joe, password sesame."""
    mailboxes = Mailboxes({b"INBOX": Mailbox([b"Subject: hello\r\n\r\nworld\r\n"])})
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        while True:
            serve(listener.accept()[0], mailboxes)


if __name__ == "__main__":
    main(*sys.argv[1:])
