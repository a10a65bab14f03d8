"""Wish 16: mail goes from one mailbox into another, by POP3 or IMAP and APPEND, without SMTP.

As Gmail does no more for other people's POP3 accounts. Forwarding by SMTP breaks SPF and DMARC, and
spoils dates and flags. gogcli#956, killedbygoogle#1635, Purelymail#99, mailinabox#301,
free-email-forwarding#268. With a token instead of a password: test_01_oauth.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.imap_append import ImapAppendSink
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from tests.wishes.reading_world import USERS, StoppedAt, subject, world
from tests.wishes.simulated_runs import SimulatedRuns

TEXT = (
    b"Received: from mx by old.example; Wed, 17 Jul 1996 02:44:25 -0700\r\n"
    b"From: ann@bank.example\r\nSubject: %d\r\nDKIM-Signature: v=1; b=abc\r\n\r\n"
    b"Line.\r\n.dots\r\n"
)
LOGIN = {b"joe.doe@gmail.com": b"abcd efgh"}


class Move(SimulatedRuns):
    """Two accounts at an old provider, and a new mailbox elsewhere."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(home, monkeypatch)
        self.old = Mailbox([TEXT % 1, TEXT % 2, TEXT % 3])
        self.there = Mailboxes({b"INBOX": Mailbox()})

    def simulation(self) -> Simulation:
        made = Simulation(round_trip=0.05)
        old, users = Mailboxes({b"INBOX": self.old}), {b"joe": b"old"}
        made.listen(
            Tcp("pop.old.example", 995),
            Pop3Server,
            lambda channel: serve_pop3(channel, Maildrop(self.old), Logins(users)),
        )
        made.listen(
            Tcp("imap.old.example", 993),
            ImapServer,
            lambda channel: serve_imap(channel, old, users),
        )
        made.listen(
            Tcp("imap.gmail.com", 993),
            ImapServer,
            lambda channel: serve_imap(channel, self.there, LOGIN),
        )
        return made

    def numbers(self, mailbox: bytes) -> list[int]:
        return [int(subject(message.text)) for message in self.there[mailbox].messages]


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    return Move(tmp_path, monkeypatch)


def entry(protocol: str, options: str) -> str:
    """The entry of docs/append.md."""
    return (
        f"poll {protocol}.old.example protocol {protocol} no dns\n"
        f"    user joe password old ssl {options}\n"
        "    append 'imaps://joe.doe%40gmail.com@imap.gmail.com/Old%20mail'\n"
        '    appendpassword "abcd efgh"\n'
    ).replace("poll pop3.", "poll pop.")


def test_a_pop3_account_moves_into_a_new_folder_and_later_mail_follows(move: Move) -> None:
    move.write(entry("pop3", "keep"))
    assert move.poll() is ExitCode.SUCCESS, move.err.getvalue()
    assert move.numbers(b"Old mail") == [1, 2, 3]
    first = move.there[b"Old mail"].messages[0]
    # Byte for byte, with the date at which it came to the old provider, and unread.
    assert (first.text, first.date, first.flags) == (
        TEXT % 1,
        b"17-Jul-1996 02:44:25 -0700",
        set(),
    )
    assert move.poll() is ExitCode.NOMAIL
    move.old.append(TEXT % 4)
    move.poll()
    assert move.numbers(b"Old mail") == [1, 2, 3, 4]
    assert len(move.old.messages) == 4


def test_an_imap_account_moves_with_its_flags_and_is_empty_then(move: Move) -> None:
    move.old.messages[0].flags |= {rb"\Flagged", rb"\Seen", b"$Work"}
    move.old.messages[0].date = b"01-Jan-2020 00:00:00 +0000"
    move.write(entry("imap", "fetchall no keep"))
    assert move.poll() is ExitCode.SUCCESS, move.err.getvalue()
    first, second, _ = move.there[b"Old mail"].messages
    assert first.flags == {rb"\Flagged", rb"\Seen", b"$Work"}
    assert first.date == b"01-Jan-2020 00:00:00 +0000"
    assert second.flags == set()
    assert move.old.messages == []


def test_a_kill_at_any_step_makes_no_second_copy_and_loses_none() -> None:
    target, place = Mailboxes(), Tcp("target", 143)
    access = Access(
        *("target", place, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("target")), timeout=20.0
    )

    def with_target(simulation: Simulation) -> Simulation:
        simulation.listen(place, ImapServer, lambda channel: serve_imap(channel, target, USERS))
        return simulation

    killed = 0
    for step in range(1, 400, 9):
        target = Mailboxes({b"INBOX": Mailbox()})
        here = world(3, "pop3", sink=lambda: ImapAppendSink(access, b"INBOX", "/tmp"))
        code = here.poll(simulation=with_target(StoppedAt(step)))
        stored = {int(subject(one.text)) for one in target[b"INBOX"].messages}
        assert {1, 2, 3} - {*here.left} <= stored
        if code is not None:
            break
        killed += 1
        here.poll(simulation=with_target(Simulation()))
        here.poll(simulation=with_target(Simulation()))
        texts = [int(subject(one.text)) for one in target[b"INBOX"].messages]
        assert (sorted(texts), here.left) == ([1, 2, 3], [])
    assert killed > 7
