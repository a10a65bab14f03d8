"""The mail about polls that fail goes to the sink of the account's mail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.polls.alerts import News, send_mail
from mailhaul.apps.polls.context import PollContext
from mailhaul.flows.alerts import Alert, Change
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Tcp
from mailhaul.protocols.smtp.commands import Mail
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.smtp import MemorySink, serve_smtp


def no_trace(protocol: str) -> None:
    """Trace nothing."""


class Notices:
    """An account and its listener."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.received = MemorySink()

    def send(self, *, refused: bool, options: str = "", globals_: str = "") -> str:
        rc = self._home / "rc"
        rc.write_text(
            f"{globals_}\npoll imap.example.org proto imap user 'j\u00f6e' "
            f"password sesame {options}\n"
        )
        rc.chmod(0o600)
        caller = Caller("me", os.getuid(), str(self._home), None, str(self._home))
        configuration = load(["-f", str(rc)], caller, bytes)
        ledger = SqliteLedger(str(self._home / "ledger"))
        around = PollContext(
            *(caller, configuration.globals, False, ledger, str(self._home), "here", no_trace)
        )
        [settings] = configuration.accounts
        simulation = Simulation()
        if "nobody" not in options:
            simulation.listen(
                Tcp("localhost", 25), SmtpServer, lambda c: serve_smtp(c, self.received)
            )
        change = Change.FAILURE if refused else Change.RECOVERY
        alert = Alert("login", "joe", 1000, ExitCode.AUTHFAIL)
        news = News(change, alert, 3, 0, "the server says no")
        why: str = simulation.run(send_mail(news, settings, around))
        return why


@pytest.fixture
def notices(tmp_path: Path) -> Notices:
    return Notices(tmp_path)


def test_both_messages_are_for_the_postmaster_and_say_whose_login_it_is(notices: Notices) -> None:
    assert notices.send(refused=True, globals_="set postmaster boss") == ""
    assert notices.send(refused=False, globals_="set postmaster boss") == ""
    failed, works = notices.received.messages
    assert (failed.sender, failed.recipients) == (b"", (b"boss@localhost",))
    name = rb"j\x{F6}e@imap.example.org"
    assert b"\r\nSubject: mailhaul authentication failed on %b\r\n" % name in failed.text
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in failed.text
    assert b"\r\nSubject: mailhaul authentication OK on %b\r\n" % name in works.text
    assert all(b"sesame" not in one.text for one in (failed, works))


def test_the_notice_is_sent_to_the_sink_of_the_account(notices: Notices, tmp_path: Path) -> None:
    assert notices.send(refused=True, options=f'maildir "{tmp_path}/Mail"') == ""
    assert len(list((tmp_path / "Mail" / "new").iterdir())) == 1


def test_why_it_cannot_be_sent_is_returned(notices: Notices) -> None:
    assert notices.send(refused=True, globals_='set postmaster ""') == "no address to send it to"
    assert "nobody" in notices.send(refused=True, options="smtphost nobody")
    notices.received.policy = lambda heard: (
        Reply(550, (b"no mail from you",)) if isinstance(heard, Mail) else None
    )
    assert "550 no mail from you" in notices.send(refused=True)
