"""Runs from cron tell a user as a daemon does: once when polls fail, once when they succeed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.cli import alerts
from mailhaul.apps.cli.once import poll_all
from mailhaul.apps.demo.main import imap_session, listen
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Flow
from mailhaul.servers.mailboxes import Mailbox, Mailboxes


class Cron:
    """An entry that is polled by single runs, and its Maildir."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.inbox = Mailbox()
        self.err = io.StringIO()
        self.out = io.StringIO()
        self.cleanup = ExitStack()
        mailboxes = Mailboxes({b"INBOX": self.inbox})
        self.visits = 0

        def session() -> tuple[Channel[Endpoint], Flow[None]]:
            self.visits += 1
            return imap_session(mailboxes)

        self.up = listen(self.cleanup, session)
        self.down = 1
        self.log = home / "log"

    def run(self, port: int, options: str = "", more: str = "") -> ExitCode:
        rc = self.home / "rc"
        rc.write_text(
            f"set postmaster boss\npoll one via localhost port {port} proto imap no dns user you"
            f' pass some-pass-word sslproto "" maildir "{self.home}/Mail" {options}\n{more}'
        )
        rc.chmod(0o600)
        lines = Lines(1, self.out, self.err)
        configuration = load(["-f", str(rc)], self.caller, bytes)
        return poll_all(configuration, self.caller, lines, nullcontext)

    @property
    def caller(self) -> Caller:
        return Caller("me", self.home.stat().st_uid, str(self.home), None, str(self.home))

    @property
    def subjects(self) -> list[str]:
        texts = [path.read_text() for path in sorted((self.home / "Mail" / "new").glob("*"))]
        found = [text.partition("Subject: ")[2].splitlines()[0] for text in texts]
        return sorted(one for one in found if "mailhaul" in one)

    def arrive(self, size: int = 10) -> None:
        self.inbox.append(b"From: a@x\r\nSubject: hello\r\n\r\n" + b"x" * size + b"\r\n")

    def ledger(self) -> SqliteLedger:
        return SqliteLedger(str(self.home / "state" / "mailhaul" / "ledger.db"))

    @property
    def ran(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def cron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cron]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    cron = Cron(tmp_path)
    with cron.cleanup:
        yield cron


def accounts(cron: Cron, count: int, options: str = "", port: int = 1, name: str = "more") -> str:
    """Return further entries."""
    return "".join(
        f"poll {name}{number} via localhost port {port} proto imap no dns user you pass"
        f' some-pass-word sslproto "" maildir "{cron.home}/Mail" {options}\n'
        for number in range(count)
    )


FAILS = "mailhaul cannot fetch mail from you@one (SOCKET)"
WORKS = "mailhaul fetches mail from you@one again"


def test_a_mail_comes_with_the_third_failure_and_one_when_it_works_again(cron: Cron) -> None:
    for count in range(1, 6):
        assert cron.run(cron.down) is ExitCode.SOCKET
        assert cron.subjects == [FAILS] * (count >= 3)
    for _ in range(2):
        assert cron.run(cron.up) is ExitCode.NOMAIL
        assert cron.subjects == [FAILS, WORKS]
    # Another failure is another alert.
    for _ in range(3):
        cron.run(cron.down)
    assert cron.subjects == [FAILS, FAILS, WORKS]


def test_of_several_entries_only_the_one_that_fails_is_told(cron: Cron) -> None:
    other = (
        f"poll two via localhost port {cron.up} proto imap no dns user you pass some-pass-word"
        f' sslproto "" maildir "{cron.home}/Mail"\n'
    )
    for _ in range(4):
        cron.run(cron.down, more=other)
    assert cron.subjects == [FAILS]


def test_commands_take_the_place_of_the_mail(cron: Cron) -> None:
    line = f"echo $MAILHAUL_EVENT $MAILHAUL_ACCOUNT $MAILHAUL_CODE $MAILHAUL_FAILURES >> {cron.log}"
    options = f"on-failure '{line}' on-recovery '{line}'"
    for _ in range(5):
        cron.run(cron.down, options)
    assert cron.ran == ["failure you@one SOCKET 3"]
    for _ in range(2):
        cron.run(cron.up, options)
    assert cron.ran == ["failure you@one SOCKET 3", "recovery you@one SOCKET 0"]
    assert cron.subjects == []


def test_each_trouble_runs_the_command_once(cron: Cron) -> None:
    options = f"on-failure 'echo x >> {cron.log}'"
    for _ in range(2):
        for _ in range(4):
            cron.run(cron.down, options)
        cron.run(cron.up, options)
        # The next trouble begins in another second.
        with closing(cron.ledger()) as ledger:
            ledger.write(lambda db: db.execute("UPDATE alert SET time = time - 5"))
    assert cron.ran == ["x", "x"]


def test_alertmail_asks_for_both(cron: Cron) -> None:
    for _ in range(4):
        cron.run(cron.down, f"onfailure 'echo x >> {cron.log}' alertmail")
    assert cron.ran == ["x"]
    assert cron.subjects == [FAILS]


@pytest.mark.parametrize("options", ["no alertmail", "noalertmail", "alertafter 0"])
def test_who_wants_to_hear_nothing_hears_nothing(cron: Cron, options: str) -> None:
    for _ in range(4):
        cron.run(cron.down, options)
    cron.run(cron.up, options)
    assert cron.subjects == []


def test_a_command_that_fails_is_reported_once(cron: Cron) -> None:
    for _ in range(5):
        cron.run(cron.down, "on-failure 'exit 7'")
    said = cron.err.getvalue()
    assert said.count("you@one: the on-failure command failed with status 7") == 1
    assert "exit 7" not in said
    cron.arrive()
    for _ in range(3):
        cron.arrive()
        cron.run(cron.up, "on-delivery 'exit 8'")
    assert cron.err.getvalue().count("the on-delivery command failed with status 8") == 1


def test_a_mail_that_cannot_be_delivered_is_reported_once_and_sent_later(cron: Cron) -> None:
    (cron.home / "Mail").write_text("in the way")
    for _ in range(5):
        cron.run(cron.down)
    assert cron.err.getvalue().count("the mail about its trouble cannot be sent") == 1
    (cron.home / "Mail").unlink()
    cron.run(cron.down)
    assert cron.subjects == [FAILS]


def test_commands_that_hang_end_the_run_in_time_and_the_others_come_with_the_next(
    cron: Cron, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of a thousand accounts must not last for hours because of one command."""
    for _ in range(2):
        cron.run(cron.down, more=accounts(cron, 3))
    # Each command takes as long as two of them may take together.
    monkeypatch.setattr(alerts, "monotonic", lambda: len(cron.ran) * alerts.TOTAL_SECONDS / 2)
    line = f"echo $MAILHAUL_EVENT $MAILHAUL_ACCOUNT >> {cron.log}"
    options = f"on-failure '{line}' on-delivery '{line}'"
    cron.arrive()
    more = accounts(cron, 3, options) + accounts(cron, 1, options, cron.up, "up")
    cron.run(cron.down, options, more)
    assert cron.ran == ["failure you@one", "failure you@more0"]
    said = cron.err.getvalue()
    assert "2 user(s) are not told yet, and 1 on-delivery command(s) are not run" in said
    monkeypatch.setattr(alerts, "monotonic", lambda: 0.0)
    cron.run(cron.down, options, more)
    assert cron.ran[2:] == ["failure you@more1", "failure you@more2"]


def test_on_delivery_gets_the_counts_of_each_poll_with_mail(cron: Cron) -> None:
    names = "EVENT MESSAGES OCTETS REFUSED WAITING CODE"
    line = "echo " + " ".join(f"$MAILHAUL_{name}" for name in names.split())
    options = f"on-delivery '{line} >> {cron.log}' keep"
    cron.run(cron.up, options)
    assert cron.ran == []
    cron.arrive()
    cron.arrive()
    assert cron.run(cron.up, options) is ExitCode.SUCCESS
    size = len(b"From: a@x\r\nSubject: hello\r\n\r\n") + 12
    assert cron.ran == [f"delivery 2 {2 * size} 0 0 SUCCESS"]
    cron.run(cron.up, options)
    assert len(cron.ran) == 1


# Limits of a day


def test_a_poll_stops_before_its_share_of_the_day_and_the_next_ones_wait(cron: Cron) -> None:
    for _ in range(5):
        cron.arrive(1000)
    options = "daylimit 3k"
    assert cron.run(cron.up, options) is ExitCode.MAXFETCH
    assert len(list((cron.home / "Mail" / "new").glob("*"))) == 2
    assert "the daylimit of 3072 octets is reached; not polled before" in cron.out.getvalue()
    assert len(cron.inbox.messages) == 3
    cron.out.truncate(0)
    # The server is not even asked.
    visits = cron.visits
    assert cron.run(cron.up, options) is ExitCode.MAXFETCH
    assert cron.visits == visits
    assert "not polled before" in cron.out.getvalue()
    # A larger share counts at once.
    assert cron.run(cron.up, "daylimit 1m") is ExitCode.SUCCESS
    assert len(list((cron.home / "Mail" / "new").glob("*"))) == 5
