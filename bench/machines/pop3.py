"""The POP3 client at work: many small messages, and one large one; dots are taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mailhaul.protocols.dots import DotWriter
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import Capa, Retrieve
from mailhaul.protocols.pop3.events import BodyChunk, Completed

from .measure import READ, Rate, best, message, reads

IN_FLIGHT = 100
"""Commands that wait for their reply at any time."""


def logged_in() -> Pop3Client:
    """Return a client that may retrieve ahead of the replies."""
    client = Pop3Client()
    client.receive_data(b"+OK ready\r\n")
    pull(client)
    client.assume_authenticated()
    client.send(Capa())
    client.data_to_send()
    client.receive_data(b"+OK\r\nPIPELINING\r\n.\r\n")
    pull(client)
    return client


def pull(client: Pop3Client) -> tuple[int, int]:
    """Take all events; return the octets of text and the commands completed."""
    octets = completed = 0
    while (event := client.next_event()) is not NEED_DATA:
        if isinstance(event, BodyChunk):
            octets += len(event.data)
        elif isinstance(event, Completed):
            completed += 1
    return octets, completed


def stuffed(text: bytes) -> bytes:
    """Return a text as it goes over the line, with its end."""
    writer = DotWriter()
    return writer.feed(text) + writer.finish()


def many(messages: int, size: int, runs: int) -> Rate:
    """Retrieve many messages, asked for one by one and ahead of the answers."""
    response = b"+OK %d octets\r\n%b" % (size, stuffed(message(size)))
    stream = reads(response * messages)

    def prepare() -> Callable[[], None]:
        client = logged_in()

        def work() -> None:
            octets = retrieve_all(client, stream, messages)
            assert octets == messages * size, octets

        return work

    name = f"POP3 client, {messages} messages of {size} octets"
    return Rate(name, messages * size, best(prepare, runs))


def retrieve_all(client: Pop3Client, stream: Iterable[bytes], messages: int) -> int:
    """Ask for all messages, some ahead; return the octets of text that came."""
    octets = number = answered = 0
    for block in stream:
        while number < messages and number - answered < IN_FLIGHT:
            number += 1
            client.send(Retrieve(number))
        client.data_to_send()
        client.receive_data(block)
        more, completed = pull(client)
        octets += more
        answered += completed
    assert answered == messages, answered
    return octets


def one(size: int, runs: int) -> Rate:
    """Retrieve one message of this size."""
    block = message(READ)
    wire = stuffed(block).removesuffix(b".\r\n")

    def prepare() -> Callable[[], None]:
        client = logged_in()
        client.send(Retrieve(1))

        def work() -> None:
            client.receive_data(b"+OK\r\n")
            octets = 0
            for _ in range(size // READ):
                client.receive_data(wire)
                octets += pull(client)[0]
            client.receive_data(b".\r\n")
            more, completed = pull(client)
            assert (octets + more, completed) == (size // READ * READ, 1), octets

        return work

    return Rate(f"POP3 client, one text of {size >> 20} MB", size, best(prepare, runs))
