"""SEARCH in the same write as SELECT: which results are used, and what a refusal changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources.imap_watch import WatchedSource
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Trust
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

from .raw import Raw
from .scripted import MESSAGE, SOURCE, Script, World

UNSEEN = b"UID SEARCH UNSEEN UNDELETED"
SAVING = b"UID SEARCH RETURN (SAVE ALL) UNSEEN UNDELETED"
SIZES = b"UID FETCH $ (UID RFC822.SIZE)"
BAD = b"TAG BAD no mailbox is selected\r\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Script({1: MESSAGE, 2: MESSAGE}))


def commands(world: World) -> list[bytes]:
    """Return what the server heard about the mailbox up to the first FETCH, without tags."""
    lines = [line.split(b" ", 1)[1] for line in world.script.heard]
    last = next((n for n, line in enumerate(lines) if line.startswith(b"UID FETCH")), len(lines))
    return [line for line in lines[:last] if line.split()[0] in {b"ID", b"SELECT", b"UID"}]


def test_one_search_is_enough(world: World) -> None:
    assert world.poll() is ExitCode.SUCCESS
    assert commands(world) == [b'SELECT "INBOX"', UNSEEN]
    assert len(world.delivered) == 2


@pytest.fixture
def saving(tmp_path: Path) -> World:
    """Return a world with a server that saves search results (RFC 5182)."""
    script = Script({1: MESSAGE, 2: MESSAGE, 3: MESSAGE}, b"UIDPLUS ESEARCH SEARCHRES")
    return World(tmp_path, script)


def test_sizes_of_a_saved_result_come_with_it(saving: World) -> None:
    assert saving.poll() is ExitCode.SUCCESS
    assert commands(saving) == [b'SELECT "INBOX"', SAVING]
    sizes = [line for line in saving.heard(b"UID FETCH") if b"BODY" not in line]
    assert sizes == [SIZES]
    assert len(saving.delivered) == 3


def test_nothing_found_is_nothing_saved(saving: World) -> None:
    saving.script.flags = {uid: {b"\\Seen"} for uid in (1, 2, 3)}
    assert saving.poll() is ExitCode.NOMAIL
    assert saving.heard(b"UID FETCH") == [SIZES]


@pytest.mark.parametrize(
    "answers",
    [
        {"UID SEARCH RETURN": BAD, "UID FETCH $": BAD},
        {"UID FETCH $": BAD},
        {"UID SEARCH RETURN": b"* SEARCH 1 2 3\r\nTAG OK done\r\n", "UID FETCH $": BAD},
        {"UID SEARCH RETURN": b"TAG NO not now\r\n", "UID FETCH $": b"TAG OK none\r\n"},
    ],
)
def test_a_server_that_cannot_save_is_asked_in_the_usual_way(
    saving: World, answers: dict[str, bytes]
) -> None:
    saving.script.answers |= answers
    assert saving.poll() is ExitCode.SUCCESS
    assert len(saving.delivered) == 3


@pytest.mark.parametrize("every", [b"1:4294967296", b"0", b"*", b"1:99999999999999", b"x"])
def test_a_result_that_is_no_set_of_uids_is_an_error(saving: World, every: bytes) -> None:
    result = b'* ESEARCH (TAG "TAG") UID ALL %b\r\nTAG OK done\r\n' % every
    saving.script.answers |= {"UID SEARCH": result, "UID FETCH $": b"TAG OK\r\n"}
    assert saving.fails().code is ExitCode.PROTOCOL
    assert saving.delivered == []


def test_a_result_without_measure_is_an_error(saving: World) -> None:
    result = b'* ESEARCH (TAG "TAG") UID ALL 1:4000000000\r\nTAG OK done\r\n'
    saving.script.answers |= {"UID SEARCH": result, "UID FETCH $": b"TAG OK\r\n"}
    assert saving.fails().code is ExitCode.PROTOCOL


def test_a_refused_select_is_reported_and_its_search_is_ignored(world: World) -> None:
    world.script.answers |= {"SELECT": b"TAG NO there is none\r\n", "UID SEARCH": BAD}
    failed = world.fails()
    assert failed.code is ExitCode.ERROR
    assert "mailbox selection failed for 'INBOX': there is none" in str(failed)
    assert commands(world) == [b'SELECT "INBOX"', UNSEEN]


def test_the_result_of_a_search_is_not_used_if_select_was_refused(world: World) -> None:
    """A server may keep an earlier mailbox open and search there (RFC 3501, 6.3.1, forbids it)."""
    world.script.answers["SELECT"] = b"TAG NO there is none\r\n"
    assert world.fails().code is ExitCode.ERROR
    assert world.delivered == []


@pytest.mark.parametrize("search", [BAD, b"* SEARCH 1\r\nTAG OK done\r\n"])
def test_a_server_that_needs_id_first_is_asked_again(world: World, search: bytes) -> None:
    world.script.answers |= {
        "SELECT": [
            b"TAG NO SELECT Unsafe Login. Please contact the operator\r\n",
            b"* 2 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\nTAG OK done\r\n",
        ],
        "UID SEARCH": [search, b"* SEARCH 1 2\r\nTAG OK done\r\n"],
    }
    assert world.poll() is ExitCode.SUCCESS
    asked = commands(world)
    assert asked[:2] == asked[3:] == [b'SELECT "INBOX"', UNSEEN]
    assert asked[2].startswith(b"ID ")
    assert len(world.delivered) == 2


def test_a_search_that_was_executed_before_select_is_repeated(world: World) -> None:
    world.script.answers["UID SEARCH"] = [BAD, b"* SEARCH 1 2\r\nTAG OK done\r\n"]
    assert world.poll() is ExitCode.SUCCESS
    assert commands(world) == [b'SELECT "INBOX"', UNSEEN, UNSEEN]
    assert len(world.delivered) == 2


def test_a_reply_to_search_before_that_to_select_is_not_used(world: World) -> None:
    def search_first(script: Script, arguments: bytes) -> bytes:
        # The tag of the search is the next one.
        number = int(script.heard[-1].split(b" ")[0][1:]) + 1
        early = b"* SEARCH 2\r\nA%04d OK early\r\n" % number
        return early + script.usual("SELECT", arguments) + b"TAG OK done\r\n"

    world.script.answers["SELECT"] = search_first
    world.script.answers["UID SEARCH"] = [b"", b"* SEARCH 1 2\r\nTAG OK done\r\n"]
    assert world.poll() is ExitCode.SUCCESS
    assert commands(world) == [b'SELECT "INBOX"', UNSEEN, UNSEEN]
    assert len(world.delivered) == 2


def test_an_unexpected_listing_is_requested_again(world: World) -> None:
    """The source does not know that the account has ``fetchall``."""
    assert world.poll(fetchall=True) is ExitCode.SUCCESS
    assert commands(world) == [b'SELECT "INBOX"', UNSEEN]
    assert world.heard(b"UID SEARCH") == [UNSEEN, b"UID SEARCH UNDELETED"]
    assert len(world.delivered) == 2


def test_a_mailbox_without_messages_delays_no_other(world: World) -> None:
    """Although the server finds some in it: nothing is requested that nobody waits for."""
    there = world.script.usual("SELECT", b"") + b"TAG OK done\r\n"
    world.script.answers["SELECT"] = [b"* 0 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\nTAG OK\r\n", there]
    assert world.poll(mailboxes=("one", "two")) is ExitCode.SUCCESS
    assert len(world.delivered) == 2


def test_mail_that_arrives_during_the_search_is_news(world: World) -> None:
    """Its EXISTS may come with a result that does not contain it."""
    world.script.answers["UID SEARCH"] = b"* SEARCH 1 2\r\n* 3 EXISTS\r\nTAG OK done\r\n"
    access = Access(
        "server", SOURCE, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
    )
    source = WatchedSource(access, world.events.append)

    async def select_and_wait() -> Sequence[str]:
        await source.open()
        await source.select("INBOX", read_only=False)
        return await source.wait_for_mail(1.0)

    simulation = Simulation()
    simulation.listen(SOURCE, Raw, world.script.serve)
    assert simulation.run(select_and_wait()) == ("INBOX",)
