"""The IMAP client and Dovecot 2.3: what came after RFC 3501."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.protocols.imap.codes import number_in
from mailhaul.protocols.imap.commands import (
    Append,
    AskStatus,
    CloseMailbox,
    Compress,
    CreateMailbox,
    Done,
    Enable,
    EventGroup,
    Idle,
    ListMailboxes,
    Logout,
    Noop,
    Notify,
    Resync,
    Search,
    Select,
    Subscribe,
    UidExpunge,
    UidFetch,
    UidSearch,
    UidStore,
)
from mailhaul.protocols.imap.events import (
    BodyChunk,
    Closed,
    Code,
    Completed,
    Condition,
    Enabled,
    Event,
    Exists,
    Expunged,
    Fetched,
    Found,
    FoundInShort,
    Idling,
    Listed,
    MailboxStatus,
    Status,
    Vanished,
)

from ..corpus import big, simple
from ..servers.certificates import Certificates
from ..servers.dovecot_services import DovecotServices
from .imap_sessions import append, fetched, in_inbox, logged_in
from .wire import joined

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    """A running Dovecot."""
    running = DovecotServices(scratch / "extensions", certificates.good)
    with running.running():
        yield running


def listed(events: list[Event]) -> dict[bytes, Listed]:
    return {event.mailbox: event for event in events if isinstance(event, Listed)}


def highest(events: list[Event]) -> int:
    """Return the change number that an opened mailbox has reached."""
    codes = [event.code for event in events if isinstance(event, Status)]
    return max(number_in(code, b"HIGHESTMODSEQ") or 0 for code in codes)


# Lists


def test_special_uses_are_listed_and_made(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        names = listed(wire.told(ListMailboxes(returning=(b"SPECIAL-USE",))))
        assert b"\\Drafts" in names[b"Drafts"].attributes
        wire.told(CreateMailbox(b"Archive"))
        used = listed(wire.told(ListMailboxes(selecting=(b"SPECIAL-USE",))))
        assert used.keys() == {b"Drafts", b"Archive"}


def test_an_extended_list_says_what_is_subscribed_and_what_has_children(
    server: DovecotServices,
) -> None:
    with logged_in(server, server.new_user()) as wire:
        wire.told(CreateMailbox(b"lists/dev"))
        wire.told(Subscribe(b"lists/dev"))
        names = listed(
            wire.told(
                ListMailboxes(patterns=(b"lists", b"%"), returning=(b"SUBSCRIBED", b"CHILDREN"))
            )
        )
        assert b"\\HasChildren" in names[b"lists"].attributes
        assert b"\\HasNoChildren" in names[b"INBOX"].attributes
        # The parent matches only for what is below it (RFC 5258, section 3.5).
        matched = listed(
            wire.told(ListMailboxes(patterns=(b"%",), selecting=(b"SUBSCRIBED", b"RECURSIVEMATCH")))
        )
        assert matched[b"lists"].extended == ((b"CHILDINFO", [b"SUBSCRIBED"]),)


def test_list_status_counts_every_mailbox_at_once(server: DovecotServices) -> None:
    user = server.new_user()
    server.deliver(user, simple())
    server.mailbox(user, "lists").deliver(simple(2))
    with logged_in(server, user) as wire:
        told = wire.told(ListMailboxes(status=(b"MESSAGES", b"UNSEEN")))
    counts = {e.mailbox: dict(e.items) for e in told if isinstance(e, MailboxStatus)}
    assert counts[b"INBOX"] == counts[b"lists"] == {b"MESSAGES": 1, b"UNSEEN": 1}
    assert counts.keys() == listed(told).keys()


# Searches


def test_a_search_with_options_answers_in_short(server: DovecotServices) -> None:
    with in_inbox(server, *map(simple, range(1, 6))) as wire:
        wire.told(UidStore(b"2", b"+FLAGS.SILENT", b"(\\Deleted)"))
        wire.told(UidExpunge(b"2"))
        options = (b"MIN", b"MAX", b"COUNT", b"ALL")
        [by_uid] = wire.told(UidSearch(b"ALL", options))
        assert isinstance(by_uid, FoundInShort)
        assert by_uid.uid
        assert (by_uid.lowest, by_uid.highest, by_uid.count) == (1, 5, 4)
        assert by_uid.every == b"1,3:5"
        [by_number] = wire.told(Search(b"ALL", options))
        assert isinstance(by_number, FoundInShort)
        assert (by_number.uid, by_number.every) == (False, b"1:4")
        [nothing] = wire.told(UidSearch(b"SUBJECT nowhere", options))
        assert isinstance(nothing, FoundInShort)
        assert (nothing.count, nothing.every, nothing.lowest) == (0, None, None)


def test_a_saved_search_is_used_by_the_next_command(server: DovecotServices) -> None:
    with in_inbox(server, *map(simple, range(1, 5))) as wire:
        wire.told(UidStore(b"2:3", b"+FLAGS.SILENT", b"(\\Flagged)"))
        wire.told(UidSearch(b"FLAGGED", (b"SAVE",)))
        assert [one.uid for one in fetched(wire.told(UidFetch(b"$", b"(UID)")))] == [2, 3]


# News


def test_idle_tells_of_new_mail_and_ends_with_done(server: DovecotServices) -> None:
    user = server.new_user()
    with logged_in(server, user) as reader, logged_in(server, user) as writer:
        reader.told(Select(b"INBOX"))
        reader.send(Idle())
        reader.until(Idling)
        assert append(writer, Append(b"INBOX", len(simple())), [simple()]).code is not None
        _, news = reader.until(Exists)
        assert news == Exists(1)
        reader.send(Done())
        _, done = reader.answer()
        assert done.condition is Condition.OK
        reader.told(Noop())


def test_commands_may_follow_done_at_once(server: DovecotServices) -> None:
    with in_inbox(server, simple()) as wire:
        wire.send(Idle())
        wire.until(Idling)
        fetch = UidFetch(b"1", b"(UID)")
        wire.send(Done(), fetch)
        assert [wire.answer()[1].command for _ in range(2)] == [Idle(), fetch]


def test_changes_by_others_come_with_any_reply(server: DovecotServices) -> None:
    user = server.new_user()
    for number in range(1, 4):
        server.deliver(user, simple(number))
    with logged_in(server, user) as one, logged_in(server, user) as other:
        one.told(Select(b"INBOX"))
        other.told(Select(b"INBOX"))
        other.told(UidStore(b"2", b"+FLAGS.SILENT", b"(\\Deleted)"))
        other.told(UidExpunge(b"2"))
        other.told(UidStore(b"3", b"+FLAGS.SILENT", b"(\\Flagged)"))
        news = one.told(Noop())
    assert Expunged(2) in news
    assert any(b"\\Flagged" in (event.flags or ()) for event in fetched(news))


def test_notify_tells_of_mailboxes_that_are_not_open(server: DovecotServices) -> None:
    user = server.new_user()
    with logged_in(server, user) as reader, logged_in(server, user) as writer:
        writer.told(CreateMailbox(b"lists"))
        reader.told(Select(b"INBOX"))
        reader.told(
            Notify((EventGroup(b"MAILBOXES", (b"MessageNew", b"MessageExpunge"), (b"lists",)),))
        )
        append(writer, Append(b"lists", len(simple())), [simple()])
        _, news = reader.until(MailboxStatus)
        assert news.mailbox == b"lists"
        assert dict(news.items)[b"MESSAGES"] == 1
        # Nobody waits for a reply meanwhile: news are news whatever is going on.
        reader.told(Notify())


# What has changed since (CONDSTORE, QRESYNC)


def test_change_numbers_grow_and_spare_what_has_changed(server: DovecotServices) -> None:
    with in_inbox(server, simple(1), simple(2)) as wire:
        began = highest(wire.told(Select(b"INBOX", condstore=True)))
        assert began
        [one] = fetched(wire.told(UidStore(b"1", b"+FLAGS", b"(\\Flagged)")))
        assert one.modseq is not None
        assert one.modseq > began
        _, done = wire.ask(UidStore(b"1:2", b"+FLAGS.SILENT", b"(\\Seen)", began))
        assert done.code == Code(b"MODIFIED", b"1")
        changed = fetched(wire.told(UidFetch(b"1:*", b"(FLAGS)", b"CHANGEDSINCE %d" % began)))
        assert [event.uid for event in changed] == [1, 2]
        [found, *_] = wire.told(UidSearch(b"MODSEQ %d" % (began + 1)))
        assert isinstance(found, Found)
        assert found.uids == (1, 2)
        assert found.modseq is not None
        assert found.modseq >= one.modseq


def test_status_tells_the_highest_change_number(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        [status] = wire.told(AskStatus(b"INBOX", (b"HIGHESTMODSEQ", b"UIDVALIDITY")))
    assert isinstance(status, MailboxStatus)
    assert dict(status.items).keys() == {b"HIGHESTMODSEQ", b"UIDVALIDITY"}


def test_a_mailbox_is_opened_again_with_what_has_changed_meanwhile(
    server: DovecotServices,
) -> None:
    user = server.new_user()
    for number in range(1, 6):
        server.deliver(user, simple(number))
    with logged_in(server, user) as wire:
        assert Enabled(frozenset({b"QRESYNC"})) in wire.told(Enable((b"QRESYNC",)))
        told = wire.told(Select(b"INBOX"))
        codes = [event.code for event in told if isinstance(event, Status)]
        validity = max(number_in(code, b"UIDVALIDITY") or 0 for code in codes)
        remembered = Resync(validity, highest(told), b"1:5")
        wire.told(UidStore(b"2,4", b"+FLAGS.SILENT", b"(\\Deleted)"))
        # With QRESYNC on, what goes is told by UID and not by number.
        assert Vanished(b"2,4") in wire.told(UidExpunge(b"2,4"))
        wire.told(UidStore(b"5", b"+FLAGS.SILENT", b"(\\Flagged)"))
        wire.told(CloseMailbox())
        told = wire.told(Select(b"INBOX", resync=remembered))
        assert Vanished(b"2,4", earlier=True) in told
        [changed] = [event for event in told if isinstance(event, Fetched)]
        assert (changed.uid, changed.modseq is not None) == (5, True)
        since = b"CHANGEDSINCE %d VANISHED" % remembered.modseq
        told = wire.told(UidFetch(b"1:*", b"(FLAGS)", since))
        assert Vanished(b"2,4", earlier=True) in told


def test_an_unknown_extension_is_not_switched_on(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        told = wire.told(Enable((b"CONDSTORE", b"X-NEVER-HEARD")))
    assert [event.names for event in told if isinstance(event, Enabled)] == [{b"CONDSTORE"}]


# Compression


def test_everything_goes_through_compression(server: DovecotServices) -> None:
    user, message = server.new_user(), big()
    with logged_in(server, user) as wire:
        wire.told(Compress())
        pieces = [message[at : at + 70_000] for at in range(0, len(message), 70_000)]
        assert append(wire, Append(b"INBOX", len(message)), pieces).condition is Condition.OK
        wire.told(Select(b"INBOX"))
        assert joined(wire.told(UidFetch(b"1", b"(BODY.PEEK[])")), BodyChunk) == message
        wire.send(Idle())
        wire.until(Idling)
        wire.send(Done())
        assert isinstance(wire.answer()[1], Completed)
        wire.told(Logout())
        assert wire.event() == Closed()
