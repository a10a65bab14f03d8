"""List the subjects of an IMAP mailbox, with asyncio streams.

    python examples/subjects_asyncio.py HOST PORT USER [MAILBOX]

As subjects.py, and the machine is the same: only the reading and writing is asyncio's. The password
comes from the environment (PASSWORD) or is asked for. Port 993 means TLS; any other
port is plain text, for a server on this machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
from email import message_from_bytes, policy
from getpass import getpass

from mailhaul import imap


class Connection:
    """A machine and the two streams that carry its bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.client = imap.Client()
        self.reader = reader
        self.writer = writer

    async def next_event(self) -> imap.Event:
        """Return the next event; write what is due and read more until there is one."""
        while isinstance(event := self.client.next_event(), imap.NeedData):
            self.writer.writelines(self.client.data_to_send())
            await self.writer.drain()
            if data := await self.reader.read(65536):
                self.client.receive_data(data)
            else:
                self.client.receive_eof()
        return event

    async def run(self, command: imap.Command) -> list[imap.Event]:
        """Send one command and return its events, up to the tagged reply."""
        events: list[imap.Event] = []
        self.client.send(command)
        while not isinstance(event := await self.next_event(), imap.Completed):
            events.append(event)
        if event.condition is not imap.Condition.OK:
            sys.exit(f"the server refused: {event.text.decode('utf-8', 'replace')}")
        return events


async def list_subjects(connection: Connection, user: str, mailbox: str) -> None:
    """Log in, look at a mailbox without changing it, log out."""
    password = imap.Secret((os.environ.get("PASSWORD") or getpass()).encode())
    while not isinstance(greeting := await connection.next_event(), imap.Greeted):
        if isinstance(greeting, imap.SaidBye | imap.Closed):
            sys.exit("the server turned us away")
    if not greeting.preauthenticated:
        await connection.run(imap.Login(user.encode(), password))
    await connection.run(imap.Select(imap.encode_mailbox(mailbox), read_only=True))
    text = b""
    header = imap.UidFetch(b"1:*", b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
    for event in await connection.run(header):
        if isinstance(event, imap.BodyStart):
            text = b""
        elif isinstance(event, imap.BodyChunk):
            text += event.data
        elif isinstance(event, imap.BodyEnd):
            print(message_from_bytes(text, policy=policy.default)["Subject"] or "(none)")
    await connection.run(imap.Logout())


async def main(host: str, port: str, user: str, mailbox: str = "INBOX") -> None:
    """Connect, list the subjects, close."""
    reader, writer = await asyncio.open_connection(host, int(port), ssl=port == "993" or None)
    try:
        await list_subjects(Connection(reader, writer), user, mailbox)
    finally:
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
