"""A message of any size passes through mailhaul in less than 40 MB of memory, into every sink.

The sources make the text while they send it, and what arrives is hashed as it comes: 64 MB, or 1 GB
with MAILHAUL_SOAK. A second copy anywhere in mailhaul would already show with the smaller one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from itertools import chain
from pathlib import Path
from threading import Event

import pytest

from mailhaul.flows.serve.imap import serve_imap
from mailhaul.flows.serve.logins import Logins
from mailhaul.flows.serve.mailboxes import Mailbox, Mailboxes
from mailhaul.flows.serve.pop3 import Maildrop, serve_pop3
from mailhaul.flows.serve.smtp import MemorySink, Policy, serve_smtp
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.smtp.commands import Bdat, BodyChunk, Data, Heard, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer

from .peak import measured
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.streaming import streaming

pytestmark = pytest.mark.real

MOST_MEMORY = 40 * 2**20
HEADER = b"From: ann@example.org\r\nMessage-ID: <big@example.org>\r\nSubject: big\r\n\r\n"
LINES = (
    b"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx\r\n" * 1500
    + b".a dot, which SMTP doubles\r\n"
    + b"From here on, which mbox quotes\r\n"
)
COUNT = (2**30 if os.environ.get("MAILHAUL_SOAK") else 64 * 2**20) // len(LINES)
SIZE = len(HEADER) + COUNT * len(LINES)


Text = Callable[[], Iterator[bytes]]


def text() -> Iterator[bytes]:
    yield HEADER
    for _ in range(COUNT):
        yield LINES


def digest(pieces: Iterable[bytes]) -> str:
    whole = sha256()
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that does not stay behind with all its gigabytes."""
    yield tmp_path
    shutil.rmtree(tmp_path)


class Source:
    """A mailbox with the one message, and the options that collect from it."""

    def __init__(self, mailbox: Mailbox, options: str) -> None:
        self.mailbox = mailbox
        self.options = options

    def rc(self, delivery: str) -> str:
        return (
            "set invisible\n"
            f"poll localhost no dns {self.options}\n"
            f"  user joe password sesame sslproto '' {delivery}\n"
        )


@contextmanager
def imap(chunks: Text = text) -> Generator[Source, None, None]:
    mailbox = Mailbox()
    mailbox.append_chunks(SIZE, chunks)
    boxes = Mailboxes({b"INBOX": mailbox})
    with streaming(ImapServer, lambda c: serve_imap(c, boxes, {b"joe": b"sesame"})) as port:
        yield Source(mailbox, f"protocol IMAP port {port}")


@contextmanager
def pop3(chunks: Text = text) -> Generator[Source, None, None]:
    mailbox = Mailbox()
    mailbox.append_chunks(SIZE, chunks)
    drop, logins = Maildrop(mailbox), Logins({b"joe": b"sesame"})
    with streaming(Pop3Server, lambda c: serve_pop3(c, drop, logins)) as port:
        yield Source(mailbox, f"protocol POP3 port {port}")


Start = Callable[..., AbstractContextManager[Source]]
SOURCES = pytest.mark.parametrize("start", [imap, pop3])


def carry(source: Source, delivery: str, home: Path) -> None:
    """Let mailhaul collect the message; fail unless it has, in little memory."""
    run = measured(source.rc(delivery), home)
    print(f"peak {run.memory / 2**20:.1f} MB")
    assert (run.code, run.err) == (0, "")
    assert source.mailbox.messages == []
    assert run.memory < MOST_MEMORY, f"{run.memory / 2**20:.1f} MB"


BINARY = {**DEFAULT_EXTENSIONS, b"CHUNKING": b"", b"BINARYMIME": b""}


def data_only(heard: Heard) -> Reply | None:
    return Reply(502, (b"5.5.1 DATA, please",)) if isinstance(heard, Bdat) else None


def bdat_only(heard: Heard) -> Reply | None:
    return Reply(502, (b"5.5.1 BDAT, please",)) if isinstance(heard, Data) else None


@pytest.mark.parametrize(
    ("make", "policy", "options"),
    [
        pytest.param(SmtpServer, data_only, "", id="smtp-data"),
        pytest.param(lambda: SmtpServer(extensions=BINARY), bdat_only, "", id="smtp-bdat"),
        pytest.param(lambda: SmtpServer(lmtp=True), data_only, "lmtp", id="lmtp"),
    ],
)
def test_a_listener_gets_every_octet(
    make: Callable[[], SmtpServer], policy: Policy, options: str, home: Path
) -> None:
    received = MemorySink(policy, keep_text=False)
    with imap() as source, streaming(make, lambda c: serve_smtp(c, received)) as port:
        carry(source, f"smtphost localhost/{port} {options}", home)
    assert [(one.size, one.sha256) for one in received.messages] == [(SIZE, digest(text()))]


class LateListener:
    """Reads nothing more, once the text has begun, until the source has said it all."""

    def __init__(self, seconds: float) -> None:
        self.all_said = Event()
        self.held_back: bool | None = None
        self._seconds = seconds

    def text(self) -> Iterator[bytes]:
        yield from text()
        self.all_said.set()

    def policy(self, heard: Heard) -> None:
        if isinstance(heard, BodyChunk) and self.held_back is None:
            self.held_back = not self.all_said.wait(self._seconds)


@pytest.mark.parametrize("extensions", [DEFAULT_EXTENSIONS, BINARY], ids=["data", "bdat"])
@SOURCES
def test_a_source_that_is_faster_than_its_listener_is_held_back(
    start: Start, extensions: Mapping[bytes, bytes], home: Path
) -> None:
    late = LateListener(seconds=2)
    received = MemorySink(late.policy, keep_text=False)
    with (
        start(late.text) as source,
        streaming(
            lambda: SmtpServer(extensions=extensions), lambda c: serve_smtp(c, received)
        ) as port,
    ):
        carry(source, f"smtphost localhost/{port}", home)
    assert late.held_back
    assert [(one.size, one.sha256) for one in received.messages] == [(SIZE, digest(text()))]


def refuses_joe(heard: Heard) -> Reply | None:
    refused = isinstance(heard, Rcpt) and heard.recipient == b"joe@localhost"
    return Reply(550, (b"5.1.1 no joe here",)) if refused else None


LONG = b"From: ann@example.org\r\n" + b"X-Line: %b\r\n" % (b"x" * 90) * 9900
"""A header that is just short enough to be taken apart."""
TOO_LONG = b"From: ann@example.org\r\n" + b"X-Line: %b\r\n" % (b"x" * 900) * 1200


FOLDED = b"From: ann@example.org\r\nTo: joe" + b",\r\n b" * 200_000 + b"\r\n"


@pytest.mark.parametrize("header", [LONG, TOO_LONG, FOLDED], ids=["long", "too-long", "folded"])
def test_the_headers_of_refused_messages_do_not_pile_up(header: bytes, home: Path) -> None:
    received = MemorySink(refuses_joe, keep_text=False)
    with (
        imap() as source,
        streaming(SmtpServer, lambda c: serve_smtp(c, received)) as port,
    ):
        source.mailbox.messages.clear()
        for _ in range(15):
            source.mailbox.append(header + b"\r\ntext\r\n")
        rc = source.rc(f"is joe here smtphost localhost/{port}")
        run = measured(f"set no softbounce\n{rc}", home)
    print(f"peak {run.memory / 2**20:.1f} MB")
    assert source.mailbox.messages == []
    assert len(received.messages) == 15
    assert run.memory < MOST_MEMORY, f"{run.memory / 2**20:.1f} MB"


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"To: a" + b",a" * 500_000, id="addresses"),
        pytest.param(b"From: a" + b" a" * 500_000, id="words"),
        pytest.param(b"To: " + b'""' * 500_000, id="quoted strings"),
        pytest.param(b"Subject: =?utf-8?q?x?=" + b"\r\n a" * 200_000, id="text"),
        pytest.param(b"To: =?utf-8?q?x?= <a>" + b",a" * 500_000, id="names"),
        pytest.param(b"\r\n".join([b"Cc: =?utf-8?q?x?= <a>" + b",a" * 5000] * 99), id="fields"),
    ],
)
def test_a_header_of_a_million_octets_is_taken_apart_in_little_memory(
    field: bytes, home: Path
) -> None:
    message = b"MIME-Version: 1.0\r\n" + field + b"\r\n\r\ntext\r\n"
    with imap() as source:
        source.mailbox.messages.clear()
        source.mailbox.append(message)
        carry(source, "mimedecode maildir Mail", home)
    assert len(list((home / "Mail" / "new").iterdir())) == 1


def plain(piece: bytes) -> bytes:
    return piece.replace(b"\r\n", b"\n")


def quoted(piece: bytes) -> bytes:
    return plain(piece).replace(b"\nFrom ", b"\n>From ")


def dotted(piece: bytes) -> bytes:
    return piece.replace(b"\r\n.", b"\r\n..")


def behind(lines: int, path: Path) -> Iterator[bytes]:
    """Yield what stands in a file below its first lines."""
    with path.open("rb") as file:
        for _ in range(lines):
            file.readline()
        while piece := file.read(2**18):
            yield piece


def test_an_mda_reads_every_octet(home: Path) -> None:
    with imap() as source:
        carry(source, f'mda "sha256sum >{home}/sum"', home)
    assert (home / "sum").read_text().split()[0] == digest(map(plain, text()))


@SOURCES
def test_a_maildir_holds_every_octet(start: Start, home: Path) -> None:
    with start() as source:
        carry(source, "maildir Mail", home)
    [stored] = (home / "Mail" / "new").iterdir()
    assert digest(behind(0, stored)) == digest(map(plain, text()))


def test_a_mailbox_file_holds_every_octet(home: Path) -> None:
    with imap() as source:
        carry(source, "mbox inbox", home)
    expected = chain(map(quoted, text()), [b"\n"])
    # Above it are the From_ line and the Return-Path.
    assert digest(behind(2, home / "inbox")) == digest(expected)


def test_a_batch_holds_every_octet(home: Path) -> None:
    with imap() as source:
        carry(source, "bsmtp batch", home)
    expected = chain(map(dotted, text()), [b".\r\n"])
    # Above it are MAIL, RCPT and DATA.
    assert digest(behind(3, home / "batch")) == digest(expected)


@SOURCES
@pytest.mark.parametrize("scheme", ["imap", "imaps"])
def test_a_mailbox_of_another_server_holds_every_octet(
    start: Start, scheme: str, dovecot: Dovecot, certificates: Certificates, user: str, home: Path
) -> None:
    port = {"imap": dovecot.imap_port, "imaps": dovecot.imaps_port}[scheme]
    delivery = (
        f'append "{scheme}://{user}@localhost:{port}" appendpassword "{dovecot.password}"'
        f' sslcertfile "{certificates.authority}"'
    )
    with start() as source:
        carry(source, delivery, home)
    [stored] = dovecot.mailbox(user).files()
    assert digest(behind(0, stored)) == digest(map(plain, text()))
    dovecot.clear(user)
