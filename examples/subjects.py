"""List the subjects of an IMAP mailbox, over a plain blocking socket.

    python examples/subjects.py HOST PORT USER [MAILBOX]

The password comes from the environment (PASSWORD) or is asked for. Port 993 means TLS; any
other port is plain text, for a server on this machine.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from getpass import getpass

from mailhaul import imap


def next_event(client: imap.Client, connection: socket.socket) -> imap.Event:
    """Return the next event; write what is due and read more until there is one."""
    while isinstance(event := client.next_event(), imap.NeedData):
        connection.sendall(b"".join(client.data_to_send()))
        if data := connection.recv(65536):
            client.receive_data(data)
        else:
            client.receive_eof()
    return event


def run(
    client: imap.Client, connection: socket.socket, command: imap.Command
) -> Iterator[imap.Event]:
    """Send one command and yield its events, up to the tagged reply."""
    client.send(command)
    while not isinstance(event := next_event(client, connection), imap.Completed):
        yield event
    if event.condition is not imap.Condition.OK:
        sys.exit(f"the server refused: {event.text.decode('utf-8', 'replace')}")


def subjects(events: Iterable[imap.Event]) -> Iterator[str]:
    """Yield the subject of each message: a text may come in any number of chunks."""
    text = b""
    for event in events:
        match event:
            case imap.BodyStart():
                text = b""
            case imap.BodyChunk(data):
                text += data
            case imap.BodyEnd():
                yield message_from_bytes(text, policy=policy.default)["Subject"] or "(none)"
            case _:
                # Flags, counts and other news.
                pass


def main(host: str, port: str, user: str, mailbox: str = "INBOX") -> None:
    """Log in, look at a mailbox without changing it, log out."""
    password = imap.Secret((os.environ.get("PASSWORD") or getpass()).encode())
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        connection = plain
        if port == "993":
            connection = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        client = imap.Client()
        while not isinstance(greeting := next_event(client, connection), imap.Greeted):
            if isinstance(greeting, imap.SaidBye | imap.Closed):
                sys.exit("the server turned us away")
        if not greeting.preauthenticated:
            list(run(client, connection, imap.Login(user.encode(), password)))
        name = imap.encode_mailbox(mailbox)
        list(run(client, connection, imap.Select(name, read_only=True)))
        header = imap.UidFetch(b"1:*", b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        for subject in subjects(run(client, connection, header)):
            print(subject)
        list(run(client, connection, imap.Logout()))


if __name__ == "__main__":
    main(*sys.argv[1:])
