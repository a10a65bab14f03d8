"""The programs in examples/ run as they stand, against servers in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from examples import test_server
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp
from tests.real.servers.certificates import Certificate
from tests.real.servers.ours import listening
from tests.real.servers.streaming import streaming

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds for one example, which takes less than one where nothing else runs."""
USERS = {b"joe": b"sesame"}
INBOX = [
    b"Subject: first\r\nFrom: a@example.org\r\n\r\none\r\n",
    b"From: b@example.org\r\n\r\nno subject\r\n",
    b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nthree\r\n",
]
MESSAGE = b"Subject: hello\n\n.a dot first\nlast\n"
AS_RECEIVED = b"Subject: hello\r\n\r\n.a dot first\r\nlast\r\n"
LISTERS = ["subjects.py", "subjects_trio.py", "subjects_asyncio.py"]


def run(name: str, *words: object, text: bytes = b"", **environment: str) -> tuple[int, str, str]:
    """Run an example and return its status, what it printed and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name), *map(str, words)],
        input=text,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **environment},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_every_example_is_run_here() -> None:
    there = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert there == {*LISTERS, "send_mail.py", "test_server.py"}


@pytest.mark.parametrize("name", LISTERS)
def test_subjects_are_listed(name: str) -> None:
    mailboxes = Mailboxes({b"INBOX": Mailbox(INBOX)})
    with streaming(ImapServer, lambda channel: serve_imap(channel, mailboxes, USERS)) as port:
        done = run(name, "127.0.0.1", port, "joe", PASSWORD="sesame")
    assert done == (0, "first\n(none)\ngr\u00fc\u00dfe\n", "")
    assert all(b"\\Seen" not in message.flags for message in mailboxes[b"INBOX"].messages)


@pytest.mark.parametrize("name", LISTERS)
def test_a_mailbox_may_be_named_and_empty(name: str) -> None:
    mailboxes = Mailboxes({b"INBOX": Mailbox(), b"Entw&APw-rfe": Mailbox()})
    with streaming(ImapServer, lambda channel: serve_imap(channel, mailboxes, USERS)) as port:
        words = ("127.0.0.1", port, "joe", "Entw\u00fcrfe")
        assert run(name, *words, PASSWORD="sesame") == (0, "", "")


@pytest.mark.parametrize("name", LISTERS)
def test_a_wrong_password_ends_in_one_line(name: str) -> None:
    mailboxes = Mailboxes({b"INBOX": Mailbox(INBOX)})
    with streaming(ImapServer, lambda channel: serve_imap(channel, mailboxes, USERS)) as port:
        status, out, complaint = run(name, "127.0.0.1", port, "joe", PASSWORD="wrong")
    assert (status, out) == (1, "")
    assert complaint.startswith("the server refused: ")
    assert complaint.count("\n") == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Certificate]:
    """What a client trusts, and the certificate of a server on this machine."""
    folder = tmp_path_factory.mktemp("certificates")
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(folder / "authority.pem"))
    issued = issuer.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder / "authority.pem", Certificate(folder / "server.pem", folder / "server.pem")


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_message_is_sent(authority: tuple[Path, Certificate], pipelining: bool) -> None:
    sink = MemorySink()
    trusted, certificate = authority

    def machine() -> SmtpServer:
        return SmtpServer(extensions={b"PIPELINING": b""} if pipelining else {})

    with listening(
        machine,
        lambda channel, secure: serve_smtp(channel, sink, Logins(USERS), secure),
        certificate,
    ) as port:
        words = ("127.0.0.1", port, "joe", "joe@example.org", "ann@example.net", "bob@example.net")
        done = run(
            "send_mail.py", *words, text=MESSAGE, PASSWORD="sesame", SSL_CERT_FILE=str(trusted)
        )
    assert done == (0, "accepted\n", "")
    (received,) = sink.messages
    assert received.sender == b"joe@example.org"
    assert received.recipients == (b"ann@example.net", b"bob@example.net")
    assert received.text == AS_RECEIVED


def test_a_wrong_password_sends_nothing(authority: tuple[Path, Certificate]) -> None:
    sink = MemorySink()
    trusted, certificate = authority
    with listening(
        SmtpServer,
        lambda channel, secure: serve_smtp(channel, sink, Logins(USERS), secure),
        certificate,
    ) as port:
        words = ("127.0.0.1", port, "joe", "joe@example.org", "ann@example.net")
        status, out, complaint = run(
            "send_mail.py", *words, text=MESSAGE, PASSWORD="wrong", SSL_CERT_FILE=str(trusted)
        )
    assert (status, out, sink.messages) == (1, "", [])
    assert "535" in complaint
    assert "wrong" not in complaint.replace("wrong user or password", "")


def test_no_password_goes_out_without_tls() -> None:
    sink = MemorySink()
    with streaming(SmtpServer, lambda channel: serve_smtp(channel, sink, Logins(USERS))) as port:
        words = ("127.0.0.1", port, "joe", "joe@example.org", "ann@example.net")
        status, _, complaint = run("send_mail.py", *words, text=MESSAGE, PASSWORD="sesame")
    assert (status, sink.messages) == (1, [])
    assert "STARTTLS" in complaint


def test_the_test_server_passes_its_own_test() -> None:
    test_server.test_a_message_is_marked_as_read()
