"""List the subjects of an IMAP mailbox, with trio.

    python examples/subjects_trio.py HOST PORT USER [MAILBOX]

As subjects.py, and the machine is the same: only the reading and writing is trio's. The password
comes from the environment (PASSWORD) or is asked for. Port 993 means TLS; any other
port is plain text, for a server on this machine.
"""

from __future__ import annotations

import os
import sys
from email import message_from_bytes, policy
from getpass import getpass

import trio
from trio.abc import Stream

from mailhaul import imap


async def next_event(client: imap.Client, stream: Stream) -> imap.Event:
    """Return the next event; write what is due and read more until there is one."""
    while isinstance(event := client.next_event(), imap.NeedData):
        await stream.send_all(b"".join(client.data_to_send()))
        if data := await stream.receive_some():
            client.receive_data(bytes(data))
        else:
            client.receive_eof()
    return event


async def run(client: imap.Client, stream: Stream, command: imap.Command) -> list[imap.Event]:
    """Send one command and return its events, up to the tagged reply."""
    events: list[imap.Event] = []
    client.send(command)
    while not isinstance(event := await next_event(client, stream), imap.Completed):
        events.append(event)
    if event.condition is not imap.Condition.OK:
        sys.exit(f"the server refused: {event.text.decode('utf-8', 'replace')}")
    return events


async def main(host: str, port: str, user: str, mailbox: str = "INBOX") -> None:
    """Log in, look at a mailbox without changing it, log out."""
    password = imap.Secret((os.environ.get("PASSWORD") or getpass()).encode())
    stream: Stream
    if port == "993":
        stream = await trio.open_ssl_over_tcp_stream(host, int(port))
    else:
        stream = await trio.open_tcp_stream(host, int(port))
    async with stream:
        client = imap.Client()
        while not isinstance(greeting := await next_event(client, stream), imap.Greeted):
            if isinstance(greeting, imap.SaidBye | imap.Closed):
                sys.exit("the server turned us away")
        if not greeting.preauthenticated:
            await run(client, stream, imap.Login(user.encode(), password))
        await run(client, stream, imap.Select(imap.encode_mailbox(mailbox), read_only=True))
        text = b""
        header = imap.UidFetch(b"1:*", b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        for event in await run(client, stream, header):
            if isinstance(event, imap.BodyStart):
                text = b""
            elif isinstance(event, imap.BodyChunk):
                text += event.data
            elif isinstance(event, imap.BodyEnd):
                print(message_from_bytes(text, policy=policy.default)["Subject"] or "(none)")
        await run(client, stream, imap.Logout())


if __name__ == "__main__":
    trio.run(lambda: main(*sys.argv[1:]))
