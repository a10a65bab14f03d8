"""A message of any size passes through mailhaul in less than 40 MB of memory, into every sink.

The sources make the text while they send it, and what arrives is hashed as it comes: 64 MB, or 1 GB
with MAILHAUL_SOAK. A second copy anywhere in mailhaul would already show with the smaller one.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain
from pathlib import Path
from threading import Event

import pytest

from mailhaul.flows.serve.mailboxes import Mailbox
from mailhaul.flows.serve.smtp import MemorySink, Policy, serve_smtp
from mailhaul.protocols.smtp.commands import Bdat, BodyChunk, Data, Heard
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer

from .peak_sources import Serve, carry, imap, pop3
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.streaming import streaming
from .test_real_append import RELAY

pytestmark = pytest.mark.real

HEADER = b"From: ann@example.org\r\nMessage-ID: <big@example.org>\r\nSubject: big\r\n\r\n"
LINES = (
    b"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx\r\n" * 1500
    + b".a dot, which SMTP doubles\r\n"
    + b"From here on, which mbox quotes\r\n"
)
COUNT = (2**30 if os.environ.get("MAILHAUL_SOAK") else 64 * 2**20) // len(LINES)
SIZE = len(HEADER) + COUNT * len(LINES)


def text() -> Iterator[bytes]:
    yield HEADER
    for _ in range(COUNT):
        yield LINES


def big(chunks: Callable[[], Iterator[bytes]] = text) -> Mailbox:
    mailbox = Mailbox()
    mailbox.append_chunks(SIZE, chunks)
    return mailbox


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


SOURCES = pytest.mark.parametrize("serve", [imap, pop3])
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
    with imap(big()) as source, streaming(make, lambda c: serve_smtp(c, received)) as port:
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
    serve: Serve, extensions: Mapping[bytes, bytes], home: Path
) -> None:
    late = LateListener(seconds=2)
    received = MemorySink(late.policy, keep_text=False)
    with (
        serve(big(late.text)) as source,
        streaming(
            lambda: SmtpServer(extensions=extensions), lambda c: serve_smtp(c, received)
        ) as port,
    ):
        carry(source, f"smtphost localhost/{port}", home)
    assert late.held_back
    assert [(one.size, one.sha256) for one in received.messages] == [(SIZE, digest(text()))]


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
    with imap(big()) as source:
        carry(source, f'mda "sha256sum >{home}/sum"', home)
    assert (home / "sum").read_text().split()[0] == digest(map(plain, text()))


@SOURCES
def test_a_maildir_holds_every_octet(serve: Serve, home: Path) -> None:
    with serve(big()) as source:
        carry(source, "maildir Mail", home)
    [stored] = (home / "Mail" / "new").iterdir()
    assert digest(behind(0, stored)) == digest(map(plain, text()))


def test_a_mailbox_file_holds_every_octet(home: Path) -> None:
    with imap(big()) as source:
        carry(source, "mbox inbox", home)
    expected = chain(map(quoted, text()), [b"\n"])
    # Above it are the From_ line and the Return-Path.
    assert digest(behind(2, home / "inbox")) == digest(expected)


def test_a_batch_holds_every_octet(home: Path) -> None:
    with imap(big()) as source:
        carry(source, "bsmtp batch", home)
    expected = chain(map(dotted, text()), [b".\r\n"])
    # Above it are MAIL, RCPT and DATA.
    assert digest(behind(3, home / "batch")) == digest(expected)


@SOURCES
@pytest.mark.parametrize("scheme", ["imap", "imaps"])
def test_a_mailbox_of_another_server_holds_every_octet(
    serve: Serve, scheme: str, dovecot: Dovecot, certificates: Certificates, user: str, home: Path
) -> None:
    port = {"imap": dovecot.imap_port, "imaps": dovecot.imaps_port}[scheme]
    delivery = (
        f'append "{scheme}://{user}@localhost:{port}" appendpassword "{dovecot.password}"'
        f' sslcertfile "{certificates.authority}"'
    )
    with serve(big()) as source:
        carry(source, delivery, home)
    [stored] = dovecot.mailbox(user).files()
    assert digest(behind(0, stored)) == digest(map(plain, text()))
    dovecot.clear(user)


def test_a_message_whose_answer_is_lost_is_compared_in_little_memory(
    dovecot: Dovecot, user: str, home: Path
) -> None:
    (home / "relay.py").write_text(RELAY)
    relay = [sys.executable, f"{home}/relay.py", f"{home}/done", "hang-up"]
    plugout = " ".join([*relay, *dovecot.preauth_argv(user)])
    with imap(big()) as source:
        source.options += f' plugout "{plugout}"'
        carry(source, f'append "imap://{user}@mail.example"', home)
    assert (home / "done").exists()
    [stored] = dovecot.mailbox(user).files()
    assert digest(behind(0, stored)) == digest(map(plain, text()))
    dovecot.clear(user)
