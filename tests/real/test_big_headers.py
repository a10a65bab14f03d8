"""Headers as long as we take them apart need little memory, whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.protocols.smtp.commands import Heard, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.servers.mailboxes import Mailbox
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .peak import measured
from .peak_sources import carry, check_memory, imap
from .servers.streaming import streaming

pytestmark = pytest.mark.real


def refuses_joe(heard: Heard) -> Reply | None:
    refused = isinstance(heard, Rcpt) and heard.recipient == b"joe@localhost"
    return Reply(550, (b"5.1.1 no joe here",)) if refused else None


LONG = b"From: ann@example.org\r\n" + b"X-Line: %b\r\n" % (b"x" * 90) * 9900
"""A header that is just short enough to be taken apart."""
TOO_LONG = b"From: ann@example.org\r\n" + b"X-Line: %b\r\n" % (b"x" * 900) * 1200
FOLDED = b"From: ann@example.org\r\nTo: joe" + b",\r\n b" * 200_000 + b"\r\n"


@pytest.mark.parametrize("header", [LONG, TOO_LONG, FOLDED], ids=["long", "too-long", "folded"])
def test_the_headers_of_refused_messages_do_not_pile_up(header: bytes, tmp_path: Path) -> None:
    received = MemorySink(refuses_joe, keep_text=False)
    mailbox = Mailbox([header + b"\r\ntext\r\n"] * 15)
    with (
        imap(mailbox) as source,
        streaming(SmtpServer, lambda c: serve_smtp(c, received)) as port,
    ):
        rc = source.rc(f"is joe here smtphost localhost/{port}")
        run = measured(f"set no softbounce\n{rc}", tmp_path)
    assert mailbox.messages == []
    assert len(received.messages) == 15
    check_memory(run)


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"To: a" + b",a" * 500_000, id="addresses"),
        pytest.param(b"From: a" + b" a" * 500_000, id="words"),
        pytest.param(b"To: " + b'""' * 500_000, id="quoted strings"),
        pytest.param(b"Subject: =?utf-8?q?x?=" + b"\r\n a" * 200_000, id="text"),
        pytest.param(b"To: =?utf-8?q?x?= <a>" + b",a" * 500_000, id="names"),
    ],
)
def test_a_header_of_a_million_octets_is_taken_apart_in_little_memory(
    field: bytes, tmp_path: Path
) -> None:
    message = b"MIME-Version: 1.0\r\n" + field + b"\r\n\r\ntext\r\n"
    with imap(Mailbox([message])) as source:
        carry(source, "mimedecode maildir Mail", tmp_path)
    assert len(list((tmp_path / "Mail" / "new").iterdir())) == 1
