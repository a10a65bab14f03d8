"""The IMAP client at work: many small messages, and one of a gigabyte."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import Select, UidFetch
from mailhaul.protocols.imap.events import BodyChunk, Completed
from mailhaul.protocols.machine import NEED_DATA

from .measure import READ, Rate, best, message, reads

ITEMS = b"(UID RFC822.SIZE BODY.PEEK[])"
IN_FLIGHT = 100
"""Commands that wait for their reply at any time."""


def selected() -> ImapClient:
    """Return a client in a mailbox."""
    client = ImapClient()
    client.receive_data(b"* PREAUTH ready\r\n")
    pull(client)
    client.send(Select(b"INBOX"))
    client.data_to_send()
    client.receive_data(b"A0001 OK [READ-WRITE] done\r\n")
    pull(client)
    return client


def pull(client: ImapClient) -> tuple[int, int]:
    """Take all events; return the octets of text and the commands completed."""
    octets = completed = 0
    while (event := client.next_event()) is not NEED_DATA:
        if isinstance(event, BodyChunk):
            octets += len(event.data)
        elif isinstance(event, Completed):
            completed += 1
    return octets, completed


def response(uid: int, tag: int, text: bytes, items: bytes = b"") -> bytes:
    """Return what a server says to one fetch; ``items`` follow the UID."""
    size = len(text)
    start = b"* %d FETCH (UID %d%b RFC822.SIZE %d BODY[] {%d}\r\n" % (uid, uid, items, size, size)
    return b"%b%b)\r\nA%04d OK Fetch completed.\r\n" % (start, text, tag)


def many(messages: int, size: int, runs: int) -> Rate:
    """Fetch many messages, asked for one by one and ahead of the answers."""
    text = message(size)
    stream = reads(b"".join(response(uid, uid + 1, text) for uid in range(1, messages + 1)))

    def prepare() -> Callable[[], None]:
        client = selected()

        def work() -> None:
            octets = fetch_all(client, stream, messages)
            assert octets == messages * size, octets

        return work

    seconds = best(prepare, runs)
    name = f"IMAP client, {messages} fetches of {size} octets"
    return Rate(name, messages * size, seconds, aim=60)


def fetch_all(client: ImapClient, stream: Iterable[bytes], messages: int) -> int:
    """Ask for all messages, some ahead; return the octets of text that came."""
    octets = uid = answered = 0
    for block in stream:
        # A read may answer more commands than are kept in flight over a slow line.
        while uid < messages and uid - answered < IN_FLIGHT:
            uid += 1
            client.send(UidFetch(b"%d" % uid, ITEMS))
        client.data_to_send()
        client.receive_data(block)
        more, completed = pull(client)
        octets += more
        answered += completed
    return octets


def one(size: int, runs: int) -> Rate:
    """Fetch one message of this size."""
    block = message(READ)
    start = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % size

    def prepare() -> Callable[[], None]:
        client = selected()
        client.send(UidFetch(b"1", ITEMS))

        def work() -> None:
            client.receive_data(start)
            pull(client)
            octets = 0
            for _ in range(size // READ):
                client.receive_data(block)
                octets += pull(client)[0]
            client.receive_data(b")\r\nA0002 OK Fetch completed.\r\n")
            assert pull(client) == (0, 1)
            assert octets == size, octets

        return work

    return Rate(f"IMAP client, one text of {size >> 20} MB", size, best(prepare, runs), aim=2000)
