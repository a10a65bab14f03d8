"""One connection for many mailboxes, in virtual time: with our own server, and scripted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources.imap_notify import CHECK_SECONDS, NotifiedSource, NotWatched
from mailhaul.adapters.sources.imap_watch import MAX_IDLE_SECONDS
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Request, Sleep, Tcp, TimedOut, Trust, Wait
from mailhaul.protocols.imap.commands import Done, Notify
from mailhaul.protocols.imap.mailbox_names import encode_mailbox
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from tests.adapters.sources.raw import Raw
from tests.shown_lines import ShownLines

IMAP = Tcp("server", 143)
MESSAGE = b"From: a@example.org\r\n\r\nHello.\r\n"
ABLE = frozenset({b"IMAP4REV1", b"IDLE", b"NOTIFY"})
FOLDERS = ("INBOX", "A", "B")
HOUR = 3600.0
TIMEOUT = 20.0
News = tuple[float, tuple[str, ...]]


class World:
    """A server, a source that watches its folders, and the reports with their times."""

    def __init__(
        self,
        machine: Callable[[], Endpoint],
        serve: Callable[[Channel[Any]], Coroutine[Request[Any], Any, None]],
        folders: Sequence[str],
    ) -> None:
        self.folders = tuple(folders)
        self.simulation = Simulation(round_trip=0.05)
        self.simulation.listen(IMAP, machine, serve)
        self.told: list[News] = []
        self.sent: list[bytes] = []
        access = Access(
            *("server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server")),
            timeout=TIMEOUT,
            tap=ShownLines(lambda way, line: self.sent.append(line) if way == ">" else None),
        )
        self.source = NotifiedSource(access, lambda event: None, self.folders)
        self.between: Callable[[], object] = lambda: None

    def at(self, when: float, action: Callable[[], object]) -> None:
        self.simulation._at(when, lambda: (action(), None)[1])

    async def look(self, folders: Sequence[str]) -> None:
        """Do the steps of a poll that finds no new mail."""
        await self.source.open()
        for folder in folders:
            await self.source.select(folder, read_only=True)
            await self.source.new(everything=False)
        await self.source.close()

    def watch(self, times: int = 1) -> list[News]:
        """Poll and wait until new mail was reported so many times; return when and where."""

        async def story() -> None:
            folders: Sequence[str] = self.folders
            while len(self.told) < times:
                await self.look(folders)
                self.between()
                if wait_for_mail := await self.source.wait_for_mail():
                    self.told.append((self.simulation.now, tuple(wait_for_mail)))
                folders = wait_for_mail or self.folders
            await self.source.leave()

        self.simulation.run(story())
        return self.told

    def look_and_wait(self, seconds: float) -> Sequence[str]:
        """Poll all folders, and wait for new mail once."""

        async def story() -> Sequence[str]:
            await self.look(self.folders)
            return await self.source.wait_for_mail(seconds)

        wait_for_mail: Sequence[str] = self.simulation.run(story())
        return wait_for_mail

    def count(self, word: bytes) -> int:
        """Return how often a command was sent."""
        return sum(word in line for line in self.sent)


def world(
    folders: Sequence[str] = FOLDERS,
    capabilities: frozenset[bytes] = ABLE,
    misbehaviour: Misbehaviour | None = None,
) -> tuple[World, dict[str, Mailbox]]:
    """Return a world with these folders at our own server, and the folders."""
    there = {folder: Mailbox([MESSAGE]) for folder in folders}
    names = {name: encode_mailbox(name) for name in folders}
    boxes = Mailboxes(
        {b"INBOX" if n.upper() == b"INBOX" else n: there[name] for name, n in names.items()}
    )

    def serve(channel: Channel[ImapServer]) -> Coroutine[Request[Any], Any, None]:
        users = {b"joe": b"sesame"}
        return serve_imap(channel, boxes, users, misbehaviour, capabilities)

    return World(ImapServer, serve, folders), there


def test_mail_in_any_folder_is_reported_within_seconds_over_one_connection() -> None:
    there, boxes = world()
    for hour, folder in enumerate(["A", "INBOX", "B", "B", "A"], 1):
        there.at(hour * HOUR, lambda box=boxes[folder]: box.append(MESSAGE))  # type: ignore[misc]
    told = there.watch(5)
    assert [where for _, where in told] == [("A",), ("INBOX",), ("B",), ("B",), ("A",)]
    assert max(at - hour * HOUR for hour, (at, _) in enumerate(told, 1)) < 1.5
    assert there.count(b"LOGIN") == 1
    # The server is doubted every five minutes; Dovecot wants each SET to be undone before the next.
    assert there.count(b"NOTIFY NONE") == there.count(b"NOTIFY SET") >= 5 * HOUR / CHECK_SECONDS
    # All at first and after 28 and 56 minutes of each hour; where there is news only that one.
    assert there.count(b"EXAMINE") == 3 + 5 * 2 * 3 + 4


def test_mail_that_arrives_between_the_poll_and_the_watch_is_reported_at_once() -> None:
    there, boxes = world()

    def arrive() -> None:
        boxes["A"].append(MESSAGE)
        there.between = lambda: None

    there.between = arrive
    [(at, where)] = there.watch()
    assert (at < 1, where) == (True, ("A",))


def test_mail_in_several_folders_is_reported_together_in_the_order_of_the_file() -> None:
    there, boxes = world()
    there.at(60.0, lambda: [boxes[name].append(MESSAGE) for name in ("B", "INBOX", "A")])
    assert there.watch()[0][1] == FOLDERS


def test_a_removal_by_another_client_is_not_reported() -> None:
    there, boxes = world()
    there.at(60.0, lambda: boxes["A"].remove({1}))
    there.at(120.0, lambda: boxes["A"].append(MESSAGE))
    [(at, where)] = there.watch()
    assert (at > 120, where) == (True, ("A",))


def test_a_folder_with_a_new_uidvalidity_is_polled() -> None:
    there, boxes = world()

    def renew() -> None:
        boxes["A"].uidvalidity = 9

    there.at(60.0, renew)
    [(at, where)] = there.watch()
    assert (at < 62, where) == (True, ("A",))


@pytest.mark.parametrize(
    "name", ["Entwürfe", "Entw&APw-rfe", 'say "hi"', "back\\slash", "Tom &- Jerry", "a/b c", "日本"]
)
def test_a_folder_may_have_any_name(name: str) -> None:
    there, boxes = world(["inbox", name])
    there.at(60.0, lambda: boxes[name].append(MESSAGE))
    there.at(120.0, lambda: boxes["inbox"].append(MESSAGE))
    assert [where for _, where in there.watch(2)] == [(name,), ("inbox",)]


def test_unreported_mail_is_found_and_ends_the_watch_at_last() -> None:
    there, boxes = world(misbehaviour=Misbehaviour(blind=True))
    there.at(10.0, lambda: boxes["A"].append(MESSAGE))
    there.at(HOUR, lambda: boxes["INBOX"].append(MESSAGE))
    with pytest.raises(NotWatched, match="did not report new mail"):
        there.watch(2)
    [(at, where)] = there.told
    assert (at < CHECK_SECONDS + 2, where) == (True, ("A",))
    assert there.simulation.now < HOUR + CHECK_SECONDS + 2


@pytest.mark.parametrize("command", [Notify, Done])
def test_a_dead_connection_is_detected_within_minutes(command: type) -> None:
    there, _ = world(misbehaviour=Misbehaviour(silent=[command]))
    if command is Done:
        there = scripted({"DONE": b""})
    with pytest.raises(TimedOut):
        there.watch()
    assert there.simulation.now < CHECK_SECONDS + 2 * TIMEOUT


def test_a_server_that_refuses_to_watch_is_not_asked_again() -> None:
    there, _ = world(misbehaviour=Misbehaviour(refuse=[Notify]))
    with pytest.raises(NotWatched, match="the server does not watch so many mailboxes: no"):
        there.watch()


@pytest.mark.parametrize("lacking", [b"IDLE", b"NOTIFY"])
def test_both_extensions_are_required(lacking: bytes) -> None:
    there, _ = world(capabilities=ABLE - {lacking})
    there.simulation.run(there.look(FOLDERS))
    assert not there.source.can_notify
    assert not there.source.pushes_news


ARRIVALS = st.lists(st.tuples(st.integers(0, 9000), st.sampled_from(FOLDERS)), max_size=12)


@settings(max_examples=25, deadline=None)
@given(arrivals=ARRIVALS, removals=ARRIVALS)
def test_mail_at_any_moment_is_reported_within_seconds(
    arrivals: list[tuple[int, str]], removals: list[tuple[int, str]]
) -> None:
    there, boxes = world()

    def remove(box: Mailbox) -> None:
        if box.messages:
            box.remove({box.messages[0].uid})

    for tenth, name in arrivals:
        there.at(30 + tenth / 10, lambda box=boxes[name]: box.append(MESSAGE))  # type: ignore[misc]
    for tenth, name in removals:
        there.at(30 + tenth / 10, lambda box=boxes[name]: remove(box))  # type: ignore[misc]
    told: list[News] = []

    async def story() -> None:
        folders: Sequence[str] = FOLDERS
        while there.simulation.now < 30 + 1000:
            await there.look(folders)
            wait_for_mail = await there.source.wait_for_mail(1010.0)
            told.append((there.simulation.now, tuple(wait_for_mail)))
            folders = wait_for_mail or FOLDERS
        await there.source.leave()

    there.simulation.run(story())
    gone = {(tenth, name) for tenth, name in removals}
    for tenth, name in arrivals:
        came = 30 + tenth / 10
        # What is removed in the same moment may never be seen.
        seen = [at for at, where in told if name in where and came <= at < came + 3]
        near = any(other == name and abs(when - tenth) < 30 for when, other in gone)
        assert seen or near
    if not arrivals:
        assert all(not where for _, where in told)


# A server by a script


STATUSES = b"* STATUS A (UIDNEXT 5 UIDVALIDITY 1)\r\n* STATUS B (UIDNEXT 5 UIDVALIDITY 1)\r\n"
ANSWERS = {
    "EXAMINE": b"* 4 EXISTS\r\n* OK [UIDNEXT 5] so\r\n* OK [UIDVALIDITY 1] so\r\nTAG OK done\r\n",
    "UID": b"* SEARCH\r\nTAG OK nothing found\r\n",
    "NOTIFY": b"* STATUS INBOX (UIDNEXT 5)\r\n" + STATUSES + b"TAG OK done\r\n",
    "IDLE": b"+ idling\r\n",
    "DONE": b"BEFORE OK done\r\n",
}


def scripted(answers: dict[str, bytes], folders: Sequence[str] = FOLDERS) -> World:
    """A server with scripted replies, OK where there is none; b"" is no reply.

    Behind AGAIN is what it answers the next time.
    """
    script = ANSWERS | answers

    async def serve(channel: Channel[Raw]) -> None:
        raw = channel.machine
        before = b""
        raw.outbox.put(b"* OK [CAPABILITY IMAP4rev1 IDLE NOTIFY] ready\r\n")
        while not raw.ended:
            while b"\r\n" in raw.heard:
                line, _, rest = bytes(raw.heard).partition(b"\r\n")
                raw.heard[:] = rest
                words = line.split(b" ")
                name = words[min(1, len(words) - 1)].decode()
                name = "NONE" if words[-1] == b"NONE" else name
                now, _, script[name] = script.get(name, b"TAG OK done\r\n").partition(b"AGAIN")
                script[name] = script[name] or now
                at_once, later, more = now.partition(b"LATER")
                for piece in (at_once, more):
                    told = piece.replace(b"TAG", words[0]).replace(b"BEFORE", before)
                    raw.outbox.put(told)
                    if later and piece is at_once:
                        await Sleep(60.0)
                before = words[0]
            await Wait([channel], 1e6)

    script["LOGIN"] = b"TAG OK [CAPABILITY IMAP4rev1 IDLE NOTIFY] in\r\n"
    return World(Raw, serve, folders)


@pytest.mark.parametrize(
    "status",
    [
        b"* STATUS A (MESSAGES 5 UIDNEXT 6 UIDVALIDITY 1)\r\n",
        b'* STATUS "A" (UIDNEXT 6)\r\n',
        b"* STATUS {1}\r\nA (UNSEEN 1 UIDNEXT 6)\r\n",
        b"* STATUS A (UIDNEXT 2 UIDVALIDITY 7)\r\n",
        b"* STATUS C (UIDNEXT 9)\r\n* STATUS A (MESSAGES 3)\r\n* STATUS A (UIDNEXT 6)\r\n",
    ],
)
def test_a_status_with_new_uidnext_or_uidvalidity_is_reported(status: bytes) -> None:
    there = scripted({"IDLE": b"+ idling\r\nLATER" + status})
    [(at, where)] = there.watch()
    assert (60 <= at < 62, where) == (True, ("A",))


@pytest.mark.parametrize(
    "status",
    [
        *(b"* STATUS C (UIDNEXT 9)\r\n", b"* STATUS A (MESSAGES 3)\r\n", b"* 3 EXPUNGE\r\n"),
        *(b"* STATUS A (MESSAGES 3 UIDNEXT 5 UIDVALIDITY 1)\r\n", b"* STATUS A ()\r\n"),
    ],
)
def test_other_responses_are_not_reported(status: bytes) -> None:
    there = scripted({"IDLE": b"+ idling\r\nLATER" + status})
    assert not there.look_and_wait(200.0)


def test_after_notificationoverflow_any_folder_may_have_new_mail() -> None:
    lost = b"* OK [NOTIFICATIONOVERFLOW] too much\r\n"
    there = scripted({"IDLE": b"+ idling\r\nLATER" + lost})
    assert not there.look_and_wait(MAX_IDLE_SECONDS)
    assert 60 <= there.simulation.now < 62


@pytest.mark.parametrize(
    "answer",
    [
        b"TAG NO [BADEVENT (FlagChange)] no such events\r\n",
        b"TAG BAD what?\r\n",
        b"TAG NO [NOTIFICATIONOVERFLOW] too many\r\n",
        b"* OK [NOTIFICATIONOVERFLOW] too many\r\n" + STATUSES + b"TAG OK done\r\n",
        # It watches one folder, and sends nothing about the other, which may be forbidden.
        b"* STATUS INBOX (UIDNEXT 5)\r\nTAG OK done\r\n",
    ],
)
def test_a_server_that_does_not_watch_all_folders_is_not_used(answer: bytes) -> None:
    with pytest.raises(NotWatched):
        scripted({"NOTIFY": answer}).watch()


def test_a_larger_uidnext_in_status_than_in_select_is_reported_once() -> None:
    ahead = ANSWERS["NOTIFY"].replace(b"A (UIDNEXT 5", b"A (UIDNEXT 8")
    there = scripted({"NOTIFY": ahead})

    async def story() -> list[Sequence[str]]:
        found: list[Sequence[str]] = []
        for _ in range(2):
            await there.look(FOLDERS)
            found.append(await there.source.wait_for_mail(100.0))
        return found

    assert [tuple(one) for one in there.simulation.run(story())] == [("A",), ()]


def test_a_server_that_ends_idle_itself_is_not_asked_endlessly() -> None:
    there = scripted({"IDLE": b"+ idling\r\nTAG OK enough\r\n"})
    assert not there.look_and_wait(MAX_IDLE_SECONDS)
    assert there.count(b"IDLE") == 1


def test_a_server_that_expects_utf8_names_gets_them() -> None:
    # Dovecot 2.3 does not find mailboxes named in modified UTF-7.
    inbox, other = b"* STATUS INBOX (UIDNEXT 5)\r\n", b"* STATUS A&B (UIDNEXT %d)\r\n"
    done = b"TAG OK done\r\n"
    there = scripted(
        {
            "NOTIFY": inbox + done + b"AGAIN" + inbox + other % 5 + done,
            "IDLE": b"+ idling\r\nLATER" + other % 6,
        },
        ["A&-B", "INBOX"],
    )
    [(at, where)] = there.watch()
    assert (60 <= at < 62, where) == (True, ("A&-B",))
    assert [b'"A&B"' in line for line in there.sent if b"NOTIFY SET" in line] == [False, True]
