"""A connection that waits for new mail, in virtual time: with our own server, and scripted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources.imap_watch import MAX_IDLE_SECONDS, WatchedSource
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Request, Tcp, TimedOut, Trust, Wait
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from tests.adapters.sources.raw import Raw
from tests.shown_lines import ShownLines

IMAP = Tcp("server", 143)
MESSAGE = b"From: a@example.org\r\n\r\nHello.\r\n"
ABLE = frozenset({b"IMAP4REV1", b"IDLE"})
HOUR = 3600.0
TIMEOUT = 20.0


class World:
    """A server, a source that waits, and the times of its reports."""

    def __init__(
        self,
        machine: Callable[[], Endpoint],
        serve: Callable[[Channel[Any]], Coroutine[Request[Any], Any, None]],
    ) -> None:
        self.simulation = Simulation(round_trip=0.05)
        self.simulation.listen(IMAP, machine, serve)
        self.told: list[float] = []
        self.sent: list[bytes] = []
        access = Access(
            *("server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server")),
            timeout=TIMEOUT,
            tap=ShownLines(lambda way, line: self.sent.append(line) if way == ">" else None),
        )
        self.source = WatchedSource(access, lambda event: None)

    def at(self, when: float, action: Callable[[], object]) -> None:
        self.simulation._at(when, lambda: (action(), None)[1])

    async def look(self) -> None:
        """Do the steps of a poll that finds no new mail."""
        await self.source.open()
        await self.source.select("INBOX", read_only=True)
        await self.source.new(everything=False)
        await self.source.close()

    def watch(self, times: int = 1) -> list[float]:
        """Poll and wait until new mail was reported so many times; return when."""

        async def story() -> None:
            while len(self.told) < times:
                await self.look()
                if await self.source.wait_for_mail():
                    self.told.append(self.simulation.now)
            await self.source.leave()

        self.simulation.run(story())
        return self.told


def world(inbox: Mailbox, capabilities: frozenset[bytes] = ABLE) -> World:
    boxes = Mailboxes({b"INBOX": inbox})
    return World(
        ImapServer,
        lambda channel: serve_imap(channel, boxes, {b"joe": b"sesame"}, capabilities=capabilities),
    )


def scripted(answers: dict[str, bytes]) -> World:
    """A server with scripted replies, OK where there is none; b"" is no reply."""

    async def serve(channel: Channel[Raw]) -> None:
        raw = channel.machine
        answers.setdefault("CAPABILITY", b"* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK done\r\n")
        before = b""
        raw.outbox.put(b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n")
        while not raw.ended:
            while b"\r\n" in raw.heard:
                line, _, rest = bytes(raw.heard).partition(b"\r\n")
                raw.heard[:] = rest
                words = line.split(b" ")
                answer = answers.get(words[min(1, len(words) - 1)].decode(), b"TAG OK done\r\n")
                raw.outbox.put(answer.replace(b"TAG", words[0]).replace(b"BEFORE", before))
                before = words[0]
            await Wait([channel], 1e6)

    return World(Raw, serve)


def test_mail_is_reported_within_a_second_after_any_wait() -> None:
    inbox = Mailbox([])
    there = world(inbox)
    there.at(3 * HOUR, lambda: inbox.append(MESSAGE))
    [at] = there.watch()
    assert 0 < at - 3 * HOUR < 1.2
    # One connection for all that time, and IDLE begun anew before a server loses patience.
    assert sum(b"LOGIN" in line for line in there.sent) == 1
    assert there.sent.count(b"DONE") == int(3 * HOUR / MAX_IDLE_SECONDS) + 1


@pytest.mark.parametrize(
    "when",
    [
        {"UID": b"* SEARCH\r\n* 4 EXISTS\r\nTAG OK nothing found\r\n"},
        {"IDLE": b"+ idling\r\n* 4 EXISTS\r\n"},
        {"IDLE": b"* 4 EXISTS\r\n+ idling\r\n"},
    ],
)
def test_mail_that_arrives_between_the_poll_and_idle_is_not_lost(when: dict[str, bytes]) -> None:
    there = scripted(
        {
            "UID": b"* SEARCH\r\nTAG OK nothing found\r\n",
            "EXAMINE": b"* 3 EXISTS\r\nTAG OK [READ-ONLY] done\r\n",
            "IDLE": b"+ idling\r\n",
            "DONE": b"BEFORE OK done\r\n",
            **when,
        }
    )
    [at] = there.watch()
    assert at < 1


def test_each_arrival_is_reported() -> None:
    inbox = Mailbox([])
    there = world(inbox)
    for minute in (1, 2, 3):
        there.at(60 * minute, lambda: inbox.append(MESSAGE))
    assert [int(at / 60) for at in there.watch(3)] == [1, 2, 3]


def test_a_removal_of_mail_by_another_client_is_not_reported() -> None:
    inbox = Mailbox([])
    inbox.append(MESSAGE, b"\\Seen")
    there = world(inbox)
    there.at(60, lambda: inbox.remove({1}))
    there.at(120, lambda: inbox.append(MESSAGE))
    [at] = there.watch()
    assert at > 120


def test_a_server_without_idle_reports_no_new_mail() -> None:
    there = world(Mailbox([]), ABLE - {b"IDLE"})
    there.simulation.run(there.look())
    assert not there.source.pushes_news


def test_a_dead_connection_is_detected_at_the_end_of_the_wait() -> None:
    there = scripted(
        {
            "EXAMINE": b"* 0 EXISTS\r\nTAG OK [READ-ONLY] done\r\n",
            "UID": b"* SEARCH\r\nTAG OK done\r\n",
            "IDLE": b"+ idling\r\n",
            "DONE": b"",
        }
    )
    with pytest.raises(TimedOut):
        there.watch()
    assert MAX_IDLE_SECONDS + TIMEOUT <= there.simulation.now < MAX_IDLE_SECONDS + TIMEOUT + 2


@pytest.mark.parametrize("refusal", [b"TAG NO not here\r\n", b"TAG BAD what\r\n"])
def test_a_server_that_refuses_idle_is_polled(refusal: bytes) -> None:
    there = scripted({"IDLE": refusal, "SELECT": b"* 1 EXISTS\r\nTAG OK done\r\n"})
    tells: list[bool] = []

    async def story() -> None:
        await there.look()
        tells.append(there.source.pushes_news)
        assert not await there.source.wait_for_mail()
        tells.append(there.source.pushes_news)
        await there.source.leave()

    there.simulation.run(story())
    assert tells == [True, False]
