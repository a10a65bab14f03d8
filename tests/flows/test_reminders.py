"""The option ``warnings``: notices by mail about oversized messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.reminders import Reminders
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Sleep, Tcp, Trust
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.bounce import BounceContext
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.commands import Mail
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

IMAP, SMTP = Tcp("imap", 143), Tcp("smtp", 25)
OCCASION = BounceContext("us", b"Mon, 2 Nov 2026 10:00:00 +0000", b"1.2@us", b"=b")
SMALL = b"Subject: small\r\n\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"x" * 2000 + b"\r\n"
RULES = HeaderRules("imap", "joe", None)


class Daemon:
    """Polls one account in one process, whose reminders last as long."""

    def __init__(self, folder: Path, *texts: bytes, postmaster: str = "boss") -> None:
        self.inbox = Mailbox(texts)
        self.received = MemorySink()
        self.events: list[Event] = []
        self.reminders: Reminders | None = Reminders()
        self._folder = folder
        self._postmaster = postmaster

    def live(self, *pauses: float, **options: Any) -> ExitCode:
        """Poll, and again after each pause; return how the last poll ended."""
        simulation = Simulation()
        boxes = Mailboxes({b"INBOX": self.inbox})
        simulation.listen(IMAP, ImapServer, lambda c: serve_imap(c, boxes, {b"joe": b"sesame"}))
        simulation.listen(SMTP, SmtpServer, lambda c: serve_smtp(c, self.received))

        async def life() -> ExitCode:
            code = await self._poll(options).run()
            for pause in pauses:
                await Sleep(pause)
                code = await self._poll(options).run()
            return code

        return simulation.run(life())

    def _poll(self, options: dict[str, Any]) -> Poll:
        password = Secret(b"sesame")
        access = Access("imap", IMAP, "joe", password, TlsMode.NEVER, Trust("imap"), timeout=20)
        treatment = DeliveryRules(
            "joe", "here", RULES, postmaster=self._postmaster, bounce_context=lambda: OCCASION
        )
        return Poll(
            Account("joe", "joe", "imap", "imap", limit=1000, **options),
            ImapSource(access, self.events.append),
            "smtp",
            lambda: SmtpSink([Listener("sink", SMTP, False, "here")], "us", 20.0),
            SqliteLedger(str(self._folder / "ledger.db")),
            lambda sink: Packer(treatment),
            self.events.append,
            reminders=self.reminders,
        )

    def notices(self) -> int:
        return sum(b"stays on the server" in one.text for one in self.received.messages)

    def complaints(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Remark) and event.error]


def test_the_notice_is_sent_at_once_and_again_after_the_interval(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, SMALL, LARGE)
    daemon.live(100.0, 100.0, 3500.0, warnings=3600)
    [small, first, second] = daemon.received.messages
    assert small.text.endswith(SMALL)
    assert (first.sender, first.recipients) == (b"", (b"boss@here",))
    assert b"1 message of %d octets" % len(LARGE) in first.text
    assert second.text == first.text
    assert daemon.complaints() == []
    assert len(daemon.inbox.messages) == 1


def test_a_notice_about_new_oversized_mail_is_sent_at_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, LARGE)
    daemon.live(warnings=3600)
    daemon.inbox.append(LARGE + b"more\r\n")
    daemon.live(warnings=3600)
    assert daemon.notices() == 2


def test_a_run_that_prints_it_sends_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, LARGE)
    daemon.reminders = None
    assert daemon.live(warnings=3600) is ExitCode.NOMAIL
    assert daemon.received.messages == []


@pytest.mark.parametrize("postmaster", ["", "boss"])
def test_a_notice_that_cannot_be_sent_is_reported_and_changes_nothing(
    tmp_path: Path, postmaster: str
) -> None:
    daemon = Daemon(tmp_path, LARGE, postmaster=postmaster)
    daemon.received.policy = lambda heard: (
        Reply(550, (b"no mail from you",)) if isinstance(heard, Mail) else None
    )
    assert daemon.live(warnings=3600) is ExitCode.NOMAIL
    assert daemon.live(warnings=3600) is ExitCode.NOMAIL
    why = "550 no mail from you" if postmaster else "no address to send it to"
    assert all(why in complaint for complaint in daemon.complaints())
    assert len(daemon.complaints()) == 2


def test_a_listener_that_is_not_there_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(tmp_path, LARGE)
    monkeypatch.setattr(f"{__name__}.SMTP", Tcp("nobody", 25))
    daemon.received.policy = None
    simulation_listens = Simulation.listen
    monkeypatch.setattr(
        Simulation,
        "listen",
        lambda self, at, *rest: (
            None if at.host == "nobody" else simulation_listens(self, at, *rest)
        ),
    )
    assert daemon.live(warnings=3600) is ExitCode.NOMAIL
    assert "cannot be sent: SMTP connect to" in daemon.complaints()[-1]
