"""A mailbox is listed even if the server refuses SEARCH, and with little memory."""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailhaul import imap
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources import imap_listing
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.imap_listing import Listing, ascending
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.source import Listed
from mailhaul.protocols.imap.events import Fetched
from mailhaul.protocols.secret import Secret

from .scripted import MESSAGE, Script, World

NO, BAD = b"TAG NO not so\r\n", b"TAG BAD what\r\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    script = Script({uid: MESSAGE + b"%d\r\n" % uid for uid in range(1, 6)})
    script.flags = {1: {b"\\Seen"}, 2: {b"\\Deleted"}, 3: {b"\\Seen"}}
    return World(tmp_path, script)


@pytest.mark.parametrize("refusal", [NO, BAD])
@pytest.mark.parametrize(
    ("refused", "fetched"),
    [
        (["UID SEARCH UNSEEN UNDELETED"], b"UID FETCH 2,4:5 (UID FLAGS)"),
        (["UID SEARCH"], b"UID FETCH 1:* (UID FLAGS)"),
    ],
)
def test_if_search_is_refused_a_simpler_search_and_then_flags_are_used(
    world: World, refusal: bytes, refused: list[str], fetched: bytes
) -> None:
    world.script.answers |= dict.fromkeys(refused, refusal)
    assert world.poll(keep=True) is ExitCode.SUCCESS

    assert [text[-3:] for text in world.delivered] == [b"4\r\n", b"5\r\n"]
    assert fetched in world.heard(b"UID FETCH")


def test_with_fetchall_deleted_messages_are_ignored(world: World) -> None:
    world.script.answers["UID SEARCH"] = NO
    assert world.poll(fetchall=True, keep=True) is ExitCode.SUCCESS
    assert [text[-3:-2] for text in world.delivered] == [b"1", b"3", b"4", b"5"]


def test_the_flags_of_a_big_mailbox_are_fetched_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_listing, "MESSAGES_PER_REPLY", 2)
    world.script.answers["UID SEARCH"] = NO

    def fetch(script: Script, arguments: bytes) -> bytes:
        # Sequence numbers are UIDs here.
        return script.usual("UID FETCH", arguments) + b"TAG OK done\r\n"

    world.script.answers["FETCH"] = fetch
    world.poll(keep=True)
    assert [line.split()[1] for line in world.heard(b"FETCH")] == [b"1:2", b"3:4", b"5:5"]
    assert [text[-3:-2] for text in world.delivered] == [b"4", b"5"]


def test_if_every_command_is_refused_the_first_refusal_is_quoted(world: World) -> None:
    world.script.answers |= {"UID SEARCH UNSEEN UNDELETED": NO, "UID SEARCH": BAD, "UID FETCH": BAD}
    failed = world.fails()
    assert failed.code is ExitCode.ERROR
    assert str(failed) == "server: search for mail failed: not so"


@pytest.mark.parametrize("select", [b"TAG OK done\r\n", b"*  5 EXIST\r\nTAG OK done\r\n"])
def test_without_a_valid_exists_the_mailbox_is_searched(world: World, select: bytes) -> None:
    world.script.answers["SELECT"] = select
    assert world.poll() is ExitCode.SUCCESS
    # The first search was sent along with SELECT.
    assert world.heard(b"UID SEARCH")[1] == b"UID SEARCH ALL"
    assert len(world.delivered) == 2


def test_blanks_and_empty_lines_do_not_hide_mail(world: World) -> None:
    world.script.answers["SELECT"] = b"\r\n*   5 EXISTS\r\n\r\nTAG  OK done\r\n\r\n"
    assert world.poll() is ExitCode.SUCCESS
    assert len(world.delivered) == 2


# In memory


def run(flow: Coroutine[Any, Any, Any], source: ImapSource, script: Script) -> Any:
    """Run a flow of a source with a scripted server, without any runtime."""
    machine = source.channel.machine
    try:
        while True:
            flow.send(None)
            for block in machine.data_to_send():
                for line in block.splitlines():
                    machine.receive_data(script.answer(line))
    except StopIteration as stop:
        return stop.value


def source_of(script: Script, *, everything: bool = False) -> ImapSource:
    access = Access(
        "server", Tcp("server", 143), "joe", Secret(b"x"), TlsMode.NEVER, Trust("server")
    )
    source = ImapSource(access, lambda event: None, everything=everything)
    source.channel.machine.receive_data(b"* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n")
    for _ in range(2):
        source.channel.machine.next_event()
    run(source.select("INBOX", read_only=False), source, script)
    return source


def test_all_messages_can_be_listed_with_their_seen_flag(world: World) -> None:
    source = source_of(world.script, everything=True)
    listed: Sequence[Listed] = run(
        source.new(everything=True, with_flags=True), source, world.script
    )
    assert [(one.uid, one.number, one.seen) for one in listed] == [
        *((1, 1, True), (3, 3, True), (4, 4, False), (5, 5, False)),
    ]
    assert all(one.size == len(MESSAGE) + 3 for one in listed)
    assert world.heard(b"UID FETCH") == [b"UID FETCH 1,3:5 (UID FLAGS RFC822.SIZE)"]


def test_sizes_are_requested_before_the_caller_uses_the_ledger(world: World) -> None:
    source = source_of(world.script)
    machine = source.channel.machine
    assert list(machine.outstanding) == [imap.UidFetch(b"4:5", b"(UID RFC822.SIZE)")]
    listed: Sequence[Listed] = run(source.new(everything=False), source, world.script)
    assert [one.uid for one in listed] == [4, 5]
    assert all(one.size == len(MESSAGE) + 3 for one in listed)
    assert world.heard(b"UID FETCH") == [b"UID FETCH 4:5 (UID RFC822.SIZE)"]


class Big(Script):
    """A mailbox with this many messages."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def usual(self, verb: str, arguments: bytes) -> bytes:
        if verb == "UID SEARCH":
            return b"* SEARCH %b\r\n" % b" ".join(b"%d" % uid for uid in range(1, self.count + 1))
        if verb == "UID FETCH":
            first, _, last = arguments.split()[0].partition(b":")
            numbers = range(int(first), int(last or first) + 1)
            return b"".join(b"* %d FETCH (UID %d RFC822.SIZE 9)\r\n" % (n, n) for n in numbers)
        return b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n" % self.count


def test_a_big_mailbox_is_listed_in_few_octets_for_each_message() -> None:
    count = 100_000
    script = Big(count)
    source = source_of(script)
    tracemalloc.start()
    listed = run(source.new(everything=True), source, script)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(listed) == count
    assert listed[count - 1] == Listed(count, 9, count)
    assert held < 40 * count
    # The memory of the scripted server, and of data in flight, is included.
    assert peak < 200 * count


def test_a_listing_is_a_sequence() -> None:
    listing = Listing(array("I", [3, 5, 9]))
    for number, uid in enumerate((9, 4, 5), 1):
        listing.update(Fetched(number, uid, 2**70, (b"\\seen",)))
    listing.update(Fetched(7, None, 1))
    assert list(listing) == [
        *(Listed(3), Listed(5, 2**63 - 1, 3, True), Listed(9, 2**63 - 1, 1, True)),
    ]
    assert listing[-1].uid == 9
    assert listing[1:] == [listing[1], listing[2]]
    assert list(listing.existing()) == listing[1:]
    with pytest.raises(IndexError):
        listing[3]


@pytest.mark.parametrize("found", [[], [1, 2, 9], [9, 2, 1], [1, 1, 2, 9, 2]])
def test_uids_come_in_order_and_once(found: list[int]) -> None:
    assert list(ascending(array("I", found))) == sorted(set(found))


def test_many_uids_out_of_order_are_put_in_order_in_runs() -> None:
    found = array("I", [*range(200_000, 0, -1), *range(150_000, 250_000)])
    assert ascending(found) == array("I", range(1, 250_000))
