"""How an IMAP session ends: the reply to LOGOUT is read, and costs no round trip of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.login.imap import LOGOUT_SECONDS
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.apps.polls.server_places import ServerPlaces, ServerSlot
from mailhaul.flows.account import Action
from mailhaul.flows.outcome import ExitCode, ServerRefused
from mailhaul.flows.requests import TimedOut, Trust
from mailhaul.flows.source import Listed
from mailhaul.protocols.errors import ProtocolError
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

from .raw import Raw
from .scripted import SOURCE, Script, World

NO = b"TAG NO not here\r\n"
MESSAGE = b"From: a@b\r\nSubject: one\r\n\r\ntext\r\n"
ROUND_TRIP = 1.0


class Session:
    """A session with one message, which is deleted at its end."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, Script({1: MESSAGE}))
        access = Access(
            "server", SOURCE, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        self.source = ImapSource(access, self.world.events.append)
        self.simulation = Simulation(round_trip=ROUND_TRIP)
        self.simulation.listen(SOURCE, Raw, self.world.script.serve)

    def end(self, *, acts: bool = True, may_close: bool = True) -> float:
        """Return how many seconds the end takes, from the request for the deletion."""

        async def begin_and_end() -> float:
            source = self.source
            await source.open()
            await source.select("INBOX", read_only=False)
            await source.new(everything=True)
            began = self.simulation.now
            if acts:
                source.perform(Action.DELETE, [1])
            await source.finish(may_close=may_close)
            await source.close()
            return self.simulation.now - began

        return self.simulation.run(begin_and_end())


def test_logout_goes_along_with_the_last_deletion(tmp_path: Path) -> None:
    session = Session(tmp_path)
    assert session.end() == pytest.approx(ROUND_TRIP, abs=0.5)
    assert session.source.confirmed(Action.DELETE) == [1]
    assert session.world.script.heard[-1].endswith(b" LOGOUT")


def test_without_a_deletion_only_the_reply_to_logout_is_waited_for(tmp_path: Path) -> None:
    session = Session(tmp_path)
    assert session.end(acts=False) == pytest.approx(ROUND_TRIP, abs=0.5)


def test_before_further_requests_replies_are_waited_for(tmp_path: Path) -> None:
    session = Session(tmp_path)
    assert session.end(may_close=False) == pytest.approx(2 * ROUND_TRIP, abs=0.5)
    assert session.source.confirmed(Action.DELETE) == [1]


def test_a_server_that_does_not_answer_logout_delays_the_end_for_a_short_time(
    tmp_path: Path,
) -> None:
    session = Session(tmp_path)
    session.world.script.answers["LOGOUT"] = b""
    assert session.end() == pytest.approx(ROUND_TRIP + LOGOUT_SECONDS, abs=1)
    assert session.source.confirmed(Action.DELETE) == [1]


@pytest.mark.parametrize("command", ["UID STORE", "UID EXPUNGE"])
def test_what_is_refused_at_the_end_needs_another_session(tmp_path: Path, command: str) -> None:
    session = Session(tmp_path)
    session.world.script.answers[command] = NO
    session.end()
    assert session.source.refused_at_close
    assert session.source.confirmed(Action.DELETE) == []
    session.world.script.answers.clear()
    session.end()
    assert not session.source.refused_at_close
    assert session.source.confirmed(Action.DELETE) == [1]


@pytest.mark.parametrize(
    "logout", [b"* BYE no more\r\nTAG OK done\r\n", b""], ids=["only LOGOUT", "nothing"]
)
def test_a_deletion_without_a_reply_is_not_confirmed(tmp_path: Path, logout: bytes) -> None:
    session = Session(tmp_path)
    session.world.script.answers |= {"UID EXPUNGE": b"", "LOGOUT": logout}
    with pytest.raises((ProtocolError, TimedOut)):
        session.end()
    assert session.source.confirmed(Action.DELETE) == []


def test_a_poll_settles_in_a_second_session_what_was_refused_at_the_end_of_the_first(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, Script({1: MESSAGE}))
    world.script.answers["UID STORE 1 +FLAGS.SILENT"] = NO
    assert world.poll() is ExitCode.SUCCESS
    assert world.script.messages == {}
    assert len(world.heard(b"LOGOUT")) == 2
    assert world.poll() is ExitCode.NOMAIL
    assert len(world.delivered) == 1


def test_what_is_confirmed_together_is_recorded_as_what_was_done(tmp_path: Path) -> None:
    world = World(tmp_path, Script({1: MESSAGE}))
    options: dict[str, Any] = {"keep": True, "by_ledger": True}
    world.poll(**options)
    ledger = SqliteLedger(str(tmp_path / "ledger.db"))
    ledger.page("joe@server", "sink", "INBOX", 1).delete_unread([Listed(1, len(MESSAGE))])
    ledger.close()
    world.script.messages[2] = MESSAGE
    # The reply to the mark of the new message is left to the requests for the deletion.
    world.poll(**options)
    assert [*world.script.messages] == [2]
    assert world.poll(**options) is ExitCode.NOMAIL
    assert len(world.delivered) == 2


@pytest.mark.parametrize("again", ["INBOX", "inbox"])
def test_a_folder_that_is_named_twice_is_visited_once(tmp_path: Path, again: str) -> None:
    world = World(tmp_path, Script({1: MESSAGE}))
    other = b"* 0 EXISTS\r\n* OK [UIDVALIDITY 2] ok\r\nTAG OK done\r\n"
    world.script.answers['SELECT "Other"'] = other
    assert world.poll(mailboxes=("INBOX", "Other", again)) is ExitCode.SUCCESS
    assert world.script.messages == {}
    assert world.heard(b"SELECT") == [b'SELECT "INBOX"', b'SELECT "Other"']


def test_a_server_that_has_refused_connections_keeps_the_place_until_the_end() -> None:
    places = ServerPlaces(10)
    first, second = ServerSlot(places, "ann"), ServerSlot(places, "joe")
    assert first.ask(first).is_set
    assert second.ask(second).is_set
    first.ending()
    assert places.admission.connections == 1
    assert first.ask(first).is_set
    second.failed(ServerRefused(ExitCode.SERVBUSY, "too many connections"))
    first.ending()
    # A server may count the session until it has answered LOGOUT.
    assert places.admission.connections == 2
