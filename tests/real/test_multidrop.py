"""Multidrop, fetchmail and mailhaul side by side: who gets a message, and what is for nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.servers.imap import CAPABILITIES, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.fetchmail import fetchmail
from .servers.ours import listening

pytestmark = pytest.mark.real

NAMES = "user fred password sesame is joe ann=anna here"
WILD = "user fred password sesame is joe * here"
RECEIVED = (
    "Received: from out.example (out [192.0.2.1])\r\n\tby localhost with SMTP id 1\r\n"
    "\tfor <%s>; Mon, 2 Nov 2026 10:00:00 +0000\r\n"
)


@dataclass
class Stage:
    """A mailbox of several people, and whoever takes mail."""

    inbox: Mailbox
    sink: MemorySink
    imap: int
    smtp: int

    def deliver(
        self, program: Callable[[str], object], server: str, user: str, header: str
    ) -> list[str] | None:
        """Let a program collect one message; say who got it, None if it is still there."""
        self.inbox.messages.clear()
        self.sink.messages.clear()
        header = f"{header}Subject: x\r\nFrom: a@out.example\r\n\r\ntext\r\n"
        self.inbox.append(header.encode())
        program(
            f"set postmaster boss\n"
            f"poll localhost {server} protocol IMAP port {self.imap} auth password\n"
            f"  {user} smtphost localhost/{self.smtp} fetchall sslproto ''\n"
        )
        got = [who.decode() for one in self.sink.messages for who in one.recipients]
        if self.inbox.messages:
            assert not got
            return None
        return sorted(got)


@pytest.fixture(scope="module")
def stage(certificates: Certificates) -> Iterator[Stage]:
    inbox, sink = Mailbox([]), MemorySink()
    boxes = Mailboxes({b"INBOX": inbox})
    with (
        listening(
            ImapServer,
            lambda c, _: serve_imap(c, boxes, {b"fred": b"sesame"}, capabilities=CAPABILITIES),
            certificates.good,
        ) as imap,
        listening(SmtpServer, lambda c, _: serve_smtp(c, sink), certificates.good) as smtp,
    ):
        yield Stage(inbox, sink, imap, smtp)


ALIKE = {
    "the envelope field tells": (
        "no dns envelope X-Envelope-To",
        NAMES,
        "X-Envelope-To: joe@localhost\r\nTo: ann@localhost\r\n",
        ["joe@localhost"],
    ),
    "a name at the server has another one here": (
        "no dns envelope X-Envelope-To",
        NAMES,
        "X-Envelope-To: ann@localhost\r\n",
        ["anna@localhost"],
    ),
    "upper and lower case are the same": (
        "no dns envelope X-Envelope-To",
        NAMES,
        "x-envelope-to: ANN@LocalHost\r\n",
        ["anna@localhost"],
    ),
    "some envelope fields are skipped": (
        "no dns envelope 1 X-Envelope-To",
        NAMES,
        "X-Envelope-To: joe@localhost\r\nX-Envelope-To: ann@localhost\r\n",
        ["anna@localhost"],
    ),
    "several in the envelope": (
        "no dns envelope X-Envelope-To",
        NAMES,
        "X-Envelope-To: joe@localhost, ann@localhost, tom@localhost\r\n",
        ["anna@localhost", "joe@localhost"],
    ),
    "the prefix of qmail goes": (
        "no dns qvirtual fred- envelope Delivered-To",
        NAMES,
        "Delivered-To: fred-joe@localhost\r\n",
        ["joe@localhost"],
    ),
    "Received tells by default": (
        "no dns",
        NAMES,
        RECEIVED % "ann@localhost",
        ["anna@localhost"],
    ),
    "another name of the server": (
        "no dns aka mail.example envelope X-Envelope-To",
        NAMES,
        "X-Envelope-To: joe@pop.mail.example\r\n",
        ["joe@localhost"],
    ),
    "a local domain passes as it is": (
        "no dns localdomains home.example envelope X-Envelope-To",
        NAMES,
        "X-Envelope-To: tom@sub.home.example\r\n",
        ["tom@sub.home.example"],
    ),
    "a stranger is the postmaster's": (
        "no dns envelope X-Envelope-To",
        NAMES,
        "X-Envelope-To: tom@localhost\r\n",
        ["boss@localhost"],
    ),
    "another host is the postmaster's": (
        "no dns envelope X-Envelope-To",
        NAMES,
        "X-Envelope-To: joe@elsewhere.example\r\n",
        ["boss@localhost"],
    ),
    "with a star everybody at the server is known": (
        "no dns envelope X-Envelope-To",
        WILD,
        "X-Envelope-To: tom@localhost\r\n",
        ["tom@localhost"],
    ),
    "guessing is asked for": (
        "no dns no envelope",
        NAMES,
        "To: joe@localhost, x@out.example\r\nCc: Ann <ann@localhost>\r\n",
        ["anna@localhost", "joe@localhost"],
    ),
    "what was sent on is guessed from Resent": (
        "no dns no envelope",
        NAMES,
        "Resent-To: ann@localhost\r\nTo: joe@localhost\r\n",
        ["anna@localhost"],
    ),
    "names without host are completed": (
        "no dns no envelope",
        NAMES,
        "To: joe, ann\r\n",
        ["anna@localhost", "joe@localhost"],
    ),
}


@pytest.mark.parametrize("case", ALIKE)
def test_both_programs_deliver_to_the_same_people(stage: Stage, case: str, tmp_path: Path) -> None:
    server, user, header, expected = ALIKE[case]

    def theirs(rc: str) -> None:
        fetchmail(rc, tmp_path)

    def ours(rc: str) -> None:
        run = mailhaul(rc, tmp_path)
        assert run.code == 0, run.err

    assert stage.deliver(theirs, server, user, header) == expected
    assert stage.deliver(ours, server, user, header) == expected


def test_where_the_envelope_is_missing_fetchmail_guesses_and_mailhaul_does_not(
    stage: Stage, tmp_path: Path
) -> None:
    server, header = "no dns envelope X-Envelope-To", "To: joe@localhost\r\n"

    def ours(rc: str) -> None:
        run = mailhaul(rc, tmp_path)
        assert run.code == 10
        assert 'no "X-Envelope-To" field with its recipient; with "no envelope"' in run.err

    assert stage.deliver(lambda rc: fetchmail(rc, tmp_path), server, NAMES, header) == [
        "joe@localhost"
    ]
    assert stage.deliver(ours, server, NAMES, header) is None
