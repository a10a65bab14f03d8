"""Wish 13: mail goes to LMTP, a Maildir, an mbox file or a command, so that Sieve and filters run.

It need not be sent on by SMTP, whose listeners refuse mail because of its sender or its recipient,
and may send it round in a circle. Mailu PR#2529, Mailu#1231, mailcow#220, hardware/mailserver#276,
nixos-mailserver#12, getmail6#67.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Tcp, UnixSocket
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.smtp.commands import Heard, Mail
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Ran, Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp
from tests.wishes.simulated_runs import SimulatedRuns

SENDER = b"newsletter@bank.example"
TEXT = (
    b"Return-Path: <newsletter@bank.example>\r\nFrom: Bank <newsletter@bank.example>\r\n"
    b"To: joe@old.example, ann@old.example\r\nSubject: offers\r\nDKIM-Signature: v=1; b=abc\r\n\r\n"
    b"Line.\r\n.dots\r\n"
)
SOCKET = "/run/dovecot/lmtp"
QUOTA = Reply(452, (b"4.2.2 mailbox full",))


class LocalRuns(SimulatedRuns):
    """An IMAP mailbox with a message, an SMTP and an LMTP server, and a command."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(home, monkeypatch)
        self.inbox = Mailbox([TEXT])
        self.by_smtp = MemorySink(policy=refuse_foreign_senders)
        self.by_lmtp = MemorySink()
        self.commands: list[tuple[tuple[str, ...], bytes]] = []

    def simulation(self) -> Simulation:
        simulation = Simulation(run_program=self.run_program)
        boxes, users = Mailboxes({b"INBOX": self.inbox}), {b"joe": b"sesame"}
        simulation.listen(
            Tcp("mail.x", 143), ImapServer, lambda channel: serve_imap(channel, boxes, users)
        )
        simulation.listen(Tcp("localhost", 25), SmtpServer, partial(serve_smtp, sink=self.by_smtp))
        for address in (UnixSocket(SOCKET), Tcp("localhost", 24)):
            simulation.listen(
                address,
                partial(SmtpServer, lmtp=True),
                lambda channel: serve_smtp(channel, self.by_lmtp),
            )
        return simulation

    def run_program(self, argv: tuple[str, ...], data: bytes) -> Ran:
        self.commands.append((argv, data))
        return Ran()

    def deliver(self, sink: str, users: str = "joe") -> ExitCode:
        self.write(
            "poll mail.x protocol imap no dns"
            " no envelope localdomains old.example\n"
            f'    user joe password sesame sslproto "" is {users} here no rewrite {sink}\n'
        )
        return self.poll("--invisible")


def refuse_foreign_senders(heard: Heard) -> Reply | None:
    """Refuse mail of others from this machine, as SPF or a rule about relaying demands."""
    foreign = isinstance(heard, Mail) and heard.sender == SENDER
    return (
        Reply(550, (b"5.7.23 SPF says that you may not send for bank.example",))
        if foreign
        else None
    )


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRuns:
    return LocalRuns(tmp_path, monkeypatch)


def test_smtp_may_refuse_what_comes_from_elsewhere_and_nothing_is_lost(runs: LocalRuns) -> None:
    """What users have met; the ways below are those out of it."""
    runs.deliver("smtphost localhost")
    assert (runs.by_smtp.messages, len(runs.inbox.messages)) == ([], 1)
    assert "SPF says" in runs.err.getvalue()


@pytest.mark.parametrize("sink", [f'smtphost "{SOCKET}"', "smtphost localhost/24 lmtp"])
def test_lmtp_gets_the_message_with_its_sender(runs: LocalRuns, sink: str) -> None:
    assert runs.deliver(sink) is ExitCode.SUCCESS, runs.err.getvalue()
    [taken] = runs.by_lmtp.messages
    # A vacation script of Sieve needs the sender, DKIM the text as it was.
    assert taken.sender == SENDER
    assert taken.recipients == (b"joe@localhost",)
    assert taken.text.endswith(TEXT.partition(b"\r\n")[2])
    assert runs.inbox.messages == []


def test_a_full_mailbox_of_one_recipient_concerns_nobody_else(runs: LocalRuns) -> None:
    """LMTP answers for each recipient, so nobody gets the message twice."""
    joe, ann = b"joe@old.example", b"ann@old.example"
    full = {ann}
    runs.by_lmtp.verdict = lambda who: QUOTA if who in full else Reply(250, (b"2.0.0 ok",))
    sink = f'smtphost "{SOCKET}"'
    for _ in range(2):
        runs.deliver(sink, "joe ann")
    assert [one.recipients for one in runs.by_lmtp.messages] == [(joe,)]
    assert len(runs.inbox.messages) == 1
    full.clear()
    runs.deliver(sink, "joe ann")
    assert [one.recipients for one in runs.by_lmtp.messages] == [(joe,), (ann,)]
    assert runs.inbox.messages == []


def test_files_and_commands_get_it_byte_for_byte(runs: LocalRuns) -> None:
    unix = TEXT.replace(b"\r\n", b"\n")
    assert runs.deliver(f'maildir "{runs.home}/Mail"') is ExitCode.SUCCESS
    [stored] = runs.delivered()
    assert stored.endswith(unix.partition(b"\n")[2])
    runs.inbox.append(TEXT)
    assert runs.deliver(f'mbox "{runs.home}/mbox"') is ExitCode.SUCCESS
    text = (runs.home / "mbox").read_bytes()
    assert text.startswith(b"From newsletter@bank.example ")
    assert unix.partition(b"\n")[2] in text
    runs.inbox.append(TEXT)
    assert runs.deliver('mda "deliver -f %F -d %T"') is ExitCode.SUCCESS
    [(argv, data)] = runs.commands
    assert argv == ("deliver", "-f", SENDER.decode(), "-d", "joe")
    assert data.endswith(unix.partition(b"\n")[2])
    assert runs.inbox.messages == []
