"""The SMTP client's text: one message of a gigabyte, and many small ones with their envelopes."""

from __future__ import annotations

from collections.abc import Callable

from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import BodyChunk, Data, Ehlo, EndOfData, Mail, Rcpt
from mailhaul.protocols.smtp.events import Answered

from .measure import READ, Rate, best, message

HELLO = b"250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n"


def ready() -> SmtpClient:
    """Return a client that has introduced itself."""
    client = SmtpClient()
    client.receive_data(b"220 mx.example.org\r\n")
    accepted(client)
    client.send(Ehlo(b"client.example.net"))
    client.data_to_send()
    client.receive_data(HELLO)
    accepted(client)
    return client


def accepted(client: SmtpClient) -> int:
    """Take all events; return how many messages the server took over."""
    count = 0
    while (event := client.next_event()) is not NEED_DATA:
        count += isinstance(event, Answered) and event.accepts
    return count


def begin(client: SmtpClient) -> None:
    """Go as far as the text."""
    client.send_group(Mail(b"ann@example.org"), [Rcpt(b"bob@example.net")], Data())
    client.data_to_send()
    client.receive_data(b"250 ok\r\n250 ok\r\n354 go\r\n")
    accepted(client)


def end(client: SmtpClient) -> int:
    """Send the final dot and hear that it was taken."""
    client.send(EndOfData())
    client.data_to_send()
    client.receive_data(b"250 taken\r\n")
    return accepted(client)


def one(size: int, runs: int, *, bare: bool) -> Rate:
    """Send one text in chunks as they are read; ``bare`` has LF for CRLF, as files have."""
    block = message(READ)
    if bare:
        block = block.replace(b"\r\n", b"\n")

    def prepare() -> Callable[[], None]:
        client = ready()
        begin(client)

        def work() -> None:
            for _ in range(size // len(block)):
                client.send(BodyChunk(block))
                client.data_to_send()
            assert end(client) == 1

        return work

    octets = size // len(block) * len(block)
    name = f"SMTP client, one text of {size >> 20} MB, {'LF' if bare else 'CRLF'}"
    return Rate(name, octets, best(prepare, runs))


def send_all(client: SmtpClient, text: bytes, messages: int) -> None:
    """Send one message after the other, each with its envelope."""
    taken = 0
    for _ in range(messages):
        begin(client)
        client.send(BodyChunk(text))
        taken += end(client)
    assert taken == messages, taken


def many(messages: int, size: int, runs: int) -> Rate:
    """Send many messages, each with its envelope."""
    text = message(size)

    def prepare() -> Callable[[], None]:
        client = ready()

        return lambda: send_all(client, text, messages)

    name = f"SMTP client, {messages} messages of {size} octets"
    return Rate(name, messages * size, best(prepare, runs))
