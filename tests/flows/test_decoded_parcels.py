"""The option mimedecode: a message is held until decided, decoded, and sent without a size."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.ledger import Offer
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.sink import Parcel
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.mime_decode import WINDOW
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import Heard, Mail
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

RULES = HeaderRules("server.example.org", "joe", None)
HEADER = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
)
DECODED_HEADER = HEADER.replace(b"=?utf-8?q?J=C3=BCrgen?=", b"J\xc3\xbcrgen").replace(
    b"quoted-printable", b"8bit"
)
SHORT = HEADER + b"Gr=C3=BC=C3=9Fe\r\n"
SHORT_DECODED = DECODED_HEADER + b"Gr\xc3\xbc\xc3\x9fe\r\n"
LONG = HEADER + b"Gr=C3=BC=C3=9Fe\r\n" * (WINDOW // 10)
LONG_PASSED = LONG.replace(b"=?utf-8?q?J=C3=BCrgen?=", b"J\xc3\xbcrgen")


def parcel_of(packer: Packer) -> Parcel:
    parcel = Simulation().run(packer.parcel(100, Offer("1.R0", False)))
    assert isinstance(parcel, Parcel)
    return parcel


def packed(pieces: list[bytes], *, decode: bool = True, strip: bool = False) -> bytes:
    """Use a packer as the ferry does."""
    packer = Packer(DeliveryRules("joe", "x", RULES, mime_decode=decode, strip_cr=strip))
    waiting = list(pieces)
    while not packer.ready and waiting:
        packer.scan(waiting.pop(0))
    if not packer.ready:
        packer.scan_end()
    parcel = parcel_of(packer)
    assert parcel.recoded == decode
    rest = [packer.beginning(), *map(packer.convert, waiting), packer.end()]
    return b"".join([parcel.header, *rest])


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (SHORT, SHORT_DECODED),
        (LONG, LONG_PASSED),
        (b"Subject: =?utf-8?q?=C3=BC?=", b"Subject: \xc3\xbc"),
        (b"no header\r\n\r\n=3D", None),
    ],
)
def test_a_message_is_decoded_or_passed(sent: bytes, received: bytes | None) -> None:
    expected = packed([sent], decode=False) if received is None else received
    assert packed([sent]) == expected
    assert packed([sent[at : at + 70_000] for at in range(0, len(sent), 70_000)]) == expected


def test_without_the_option_nothing_is_decoded() -> None:
    assert packed([SHORT], decode=False) == SHORT


def test_line_ends_are_changed_after_decoding() -> None:
    assert packed([SHORT], strip=True) == SHORT_DECODED.replace(b"\r\n", b"\n")


@given(st.lists(st.integers(0, len(SHORT)), max_size=4))
def test_how_a_message_arrives_changes_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(SHORT)]
    pieces = [SHORT[a:b] for a, b in pairwise(places)]
    assert packed(pieces) == SHORT_DECODED


def test_the_envelope_is_that_of_the_message_as_received() -> None:
    packer = Packer(DeliveryRules("joe", "x", RULES, mime_decode=True))
    packer.scan(SHORT)
    packer.scan_end()
    assert parcel_of(packer).sender == b"j@example.org"
    assert packer.header_octets == len(HEADER)


@pytest.mark.parametrize("decode", [True, False])
def test_a_decoded_message_is_sent_without_a_size(tmp_path: Path, *, decode: bool) -> None:
    mails: list[Mail] = []
    received = MemorySink(policy=lambda heard: note(heard, mails))
    boxes = Mailboxes({b"INBOX": Mailbox([SHORT, LONG], uidvalidity=1)})
    simulation = Simulation(cut=True, round_trip=0.05)
    imap, smtp = Tcp("imap", 143), Tcp("smtp", 25)
    simulation.listen(imap, ImapServer, lambda c: serve_imap(c, boxes, {b"joe": b"sesame"}))
    simulation.listen(smtp, SmtpServer, lambda c: serve_smtp(c, received))
    access = Access("server", imap, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"))
    poll = Poll(
        Account("imap joe@server", "joe", "server", "server"),
        ImapSource(access, lambda event: None),
        "smtp",
        lambda: SmtpSink([Listener("sink", smtp, False, "localhost")], "client", 20.0),
        SqliteLedger(str(tmp_path / "ledger.db")),
        lambda sink: Packer(DeliveryRules("joe", sink.domain, RULES, mime_decode=decode)),
        lambda event: None,
    )
    assert simulation.run(poll.run()) is ExitCode.SUCCESS
    assert [mail.size for mail in mails] == ([None] * 2 if decode else [len(SHORT), len(LONG)])
    texts = [SHORT_DECODED, LONG_PASSED] if decode else [SHORT, LONG]
    assert [one.size for one in received.messages] == [len(text) for text in texts]


def note(heard: Heard, mails: list[Mail]) -> None:
    if isinstance(heard, Mail):
        mails.append(heard)


def test_the_decoder_is_not_imported_without_the_option() -> None:
    code = "import sys, mailhaul.flows.parcel\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "mailhaul.flows.parcel" in done.stdout.split()
    assert "mailhaul.protocols.message.mime_decode" not in done.stdout.split()
