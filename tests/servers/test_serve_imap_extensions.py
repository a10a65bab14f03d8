"""The IMAP server with all extensions: mailboxes, mod-sequences, IDLE, several sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailhaul import imap
from mailhaul.flows.channel import Channel, next_event
from mailhaul.flows.requests import Close, Open, Sleep, Tcp
from mailhaul.protocols.errors import ConnectionLost
from mailhaul.protocols.imap.codes import append_uid, copy_uid
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import ALL_CAPABILITIES, Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

HERE = Tcp("mail.example.org", 143)
SELECT = imap.Select(b"INBOX")
MULTIPART = (
    b"From: Ann <ann@example.net>\r\nTo: bob@example.org\r\nSubject: two\r\n"
    b"Content-Type: multipart/mixed; boundary=cut\r\n\r\npreamble\r\n--cut\r\n\r\nfirst\r\n"
    b"--cut\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ndeep\r\n--cut--\r\n"
)
Session = Channel[imap.Client]


def stock() -> Mailboxes:
    texts = [b"Subject: %d\r\n\r\ntext %d\r\n" % (n, n) for n in range(1, 4)]
    return Mailboxes(
        {
            b"INBOX": Mailbox([*texts, MULTIPART], uidvalidity=7),
            b"Sent": Mailbox(special_use=[rb"\Sent"]),
            b"a/b": Mailbox(),
        }
    )


async def ask(channel: Session, command: imap.Command) -> list[Any]:
    """Send a command; return all events before its completion."""
    channel.machine.send(command)
    return await until(channel, imap.Completed)


async def until(channel: Session, kind: type) -> list[Any]:
    events: list[Any] = []
    while not events or not isinstance(events[-1], kind):
        events.append(await next_event(channel, 60))
    return events


async def begin() -> Session:
    channel: Session = Channel("server", imap.Client())
    await Open(channel, HERE, 60)
    await until(channel, imap.Greeted)
    return channel


def talk(
    story: Callable[..., Awaitable[Any]], mailboxes: Mailboxes | None = None, **options: Any
) -> Any:
    """Run a story with one session, or with as many as it has parameters."""
    options.setdefault("capabilities", ALL_CAPABILITIES)
    boxes = mailboxes or stock()
    sessions = story.__code__.co_argcount

    async def whole() -> Any:
        channels = [await begin() for _ in range(sessions)]
        result = await story(*channels)
        for channel in channels:
            await Close(channel)
        return result

    world = Simulation()
    world.listen(HERE, imap.Server, lambda channel: serve_imap(channel, boxes, **options))
    return world.run(whole())


def say(*commands: imap.Command, mailboxes: Mailboxes | None = None, **options: Any) -> list[Any]:
    """Return the events of the last of some commands."""

    async def story(channel: Session) -> list[Any]:
        events: list[Any] = []
        for command in commands:
            events = await ask(channel, command)
        return events

    return list(talk(story, mailboxes, **options))


def condition(events: list[Any]) -> imap.Condition:
    last = events[-1]
    assert isinstance(last, imap.Completed)
    return last.condition


# Mailboxes


def test_id_and_namespace() -> None:
    assert say(imap.Id())[0] == imap.Identified(((b"NAME", b"mailhaul"),))
    assert say(imap.Namespace())[0] == imap.Namespaces((imap.NamespaceEntry(b"", b"/"),))


def test_mailboxes_are_listed_level_by_level() -> None:
    names = [event.mailbox for event in say(imap.ListMailboxes())[:-1]]
    assert names == [b"INBOX", b"Sent", b"a", b"a/b"]
    names = [event.mailbox for event in say(imap.ListMailboxes(b"", (b"%",)))[:-1]]
    assert names == [b"INBOX", b"Sent", b"a"]
    names = [event.mailbox for event in say(imap.ListMailboxes(b"a/", (b"%",)))[:-1]]
    assert names == [b"a/b"]
    assert say(imap.ListMailboxes(b"", (b"",)))[0] == imap.Listed(b"", b"/", (rb"\Noselect",))


def test_list_returns_the_requested_attributes() -> None:
    [sent, _] = say(imap.ListMailboxes(b"", (b"*",), (b"SPECIAL-USE",)))
    assert sent == imap.Listed(b"Sent", b"/", (rb"\HasNoChildren", rb"\Sent"))
    listing = imap.ListMailboxes(b"", (b"INBOX",), (), (b"CHILDREN",), (b"MESSAGES", b"UIDNEXT"))
    [_, status, _] = say(listing)
    assert status == imap.MailboxStatus(b"INBOX", ((b"MESSAGES", 4), (b"UIDNEXT", 5)))
    [parent, _] = say(imap.ListMailboxes(b"", (b"a",)))
    assert parent.attributes == (rb"\NonExistent", rb"\Noselect", rb"\HasChildren")


def test_subscriptions_are_listed_separately() -> None:
    boxes = stock()
    say(imap.Subscribe(b"sent"), mailboxes=boxes)
    assert condition(say(imap.Subscribe(b"nowhere"), mailboxes=boxes)) is imap.Condition.NO
    say(imap.Subscribe(b"inbox"), imap.Subscribe(b"Sent"), mailboxes=boxes)
    lsub = say(imap.ListSubscribed(), mailboxes=boxes)
    assert [event.mailbox for event in lsub[:-1]] == [b"INBOX", b"Sent"]
    chosen = say(
        imap.Unsubscribe(b"INBOX"),
        imap.ListMailboxes(b"", (b"*",), (b"SUBSCRIBED",)),
        mailboxes=boxes,
    )
    assert chosen[:-1] == [
        imap.Listed(b"Sent", b"/", (rb"\HasNoChildren", rb"\Subscribed", rb"\Sent")),
    ]


def test_mailboxes_are_created_renamed_and_deleted() -> None:
    boxes = stock()
    assert condition(say(imap.CreateMailbox(b"Sent"), mailboxes=boxes)) is imap.Condition.NO
    say(imap.CreateMailbox(b"New/", (rb"\Junk",)), imap.Rename(b"a", b"z"), mailboxes=boxes)
    assert condition(
        say(imap.Rename(b"a/b", b"z/b"), imap.DeleteMailbox(b"Sent"), mailboxes=boxes)
    ).value
    assert set(boxes) == {b"INBOX", b"New", b"z/b"}
    assert boxes[b"New"].special_use == (rb"\Junk",)
    for command in (
        imap.DeleteMailbox(b"inbox"),
        imap.DeleteMailbox(b"Sent"),
        imap.Rename(b"New", b"z/b"),
    ):
        assert condition(say(command, mailboxes=boxes)) is imap.Condition.NO


def test_renaming_inbox_takes_the_messages_and_leaves_the_name() -> None:
    boxes = stock()
    say(imap.Rename(b"INBOX", b"old"), mailboxes=boxes)
    assert (len(boxes[b"INBOX"].messages), len(boxes[b"old"].messages)) == (0, 4)
    assert boxes[b"INBOX"].uidvalidity == 8


def test_the_status_of_a_mailbox() -> None:
    items = (b"MESSAGES", b"UIDVALIDITY", b"UNSEEN", b"SIZE", b"HIGHESTMODSEQ", b"RECENT")
    [status, _] = say(imap.AskStatus(b"inbox", items))
    assert dict(status.items)[b"UNSEEN"] == 4
    assert condition(say(imap.AskStatus(b"INBOX", (b"COLOUR",)))) is imap.Condition.BAD
    assert condition(say(imap.AskStatus(b"nowhere", (b"MESSAGES",)))) is imap.Condition.NO


# APPEND, COPY and MOVE


def test_a_message_is_appended_with_flags_and_date() -> None:
    boxes = stock()
    date = b"17-Jul-1996 02:44:25 -0700"

    async def story(channel: Session) -> imap.Completed:
        await ask(channel, SELECT)
        channel.machine.send(imap.Append(b"Sent", 5, (rb"\seen", b"$Junk"), date))
        await until(channel, imap.ReadyForText)
        channel.machine.send(imap.AppendChunk(b"abc"))
        channel.machine.send(imap.AppendChunk(b"de"))
        [completed] = await until(channel, imap.Completed)
        assert isinstance(completed, imap.Completed)
        return completed

    completed = talk(story, boxes)
    assert completed.condition is imap.Condition.OK
    stored = append_uid(completed.code)
    assert stored is not None
    assert (stored.uid_validity, stored.uid) == (1, 1)
    [message] = boxes[b"Sent"].messages
    assert (message.text, message.date) == (b"abcde", date)
    assert message.flags == {rb"\Seen", b"$Junk"}


def test_an_append_to_a_missing_mailbox_is_refused_with_trycreate() -> None:
    async def story(channel: Session) -> list[Any]:
        channel.machine.send(imap.Append(b"nowhere", 5))
        channel.machine.send(imap.AppendChunk(b"abcde"))
        events = await until(channel, imap.Completed)
        assert condition(await ask(channel, imap.Noop())) is imap.Condition.OK
        return events

    [*_, completed] = talk(story)
    assert (completed.condition, completed.code) == (imap.Condition.NO, imap.Code(b"TRYCREATE"))


def test_messages_are_copied_and_moved() -> None:
    boxes = stock()
    [copied] = say(SELECT, imap.Copy(b"1:2", b"Sent"), mailboxes=boxes)
    found = copy_uid(copied.code)
    assert found is not None
    assert (found.source, found.destination) == (b"1:2", b"1:2")
    status, *gone, end = say(SELECT, imap.UidMove(b"2:3", b"Sent"), mailboxes=boxes)
    assert copy_uid(status.code) == copy_uid(imap.Code(b"COPYUID", b"1 2:3 3:4"))
    assert gone == [imap.Expunged(2), imap.Expunged(2)]
    assert end.code == imap.Code(b"HIGHESTMODSEQ", b"%d" % boxes[b"INBOX"].modseq)
    assert [len(boxes[name].messages) for name in (b"INBOX", b"Sent")] == [2, 4]
    assert condition(say(SELECT, imap.Copy(b"1", b"nowhere"))) is imap.Condition.NO
    assert say(SELECT, imap.Copy(b"99", b"Sent"))[-1].code is None


def test_a_read_only_mailbox_loses_no_message() -> None:
    for command in (imap.Move(b"1", b"Sent"), imap.Expunge(), imap.Store(b"1", b"+FLAGS", b"x")):
        assert condition(say(imap.Select(b"INBOX", read_only=True), command)) is imap.Condition.NO


# Searching and fetching


def test_a_search_can_return_an_esearch_result() -> None:
    returning = (b"MIN", b"MAX", b"COUNT", b"ALL")
    [found, _] = say(SELECT, imap.UidSearch(b"NOT SUBJECT 2", returning))
    assert (found.lowest, found.highest, found.count, found.every) == (1, 4, 3, b"1,3:4")
    assert found.uid
    [nothing, _] = say(SELECT, imap.Search(b"SUBJECT x", returning))
    assert (nothing.count, nothing.every) == (0, None)
    assert isinstance(say(SELECT, imap.Search(b"ALL", ()))[0], imap.FoundInShort)


def test_sections_and_parts_are_returned_unchanged() -> None:
    items = b"(BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[1] BODY.PEEK[2.HEADER])"
    events = say(SELECT, imap.Fetch(b"4", items))
    starts = [event.section for event in events if isinstance(event, imap.BodyStart)]
    assert starts == [b"HEADER.FIELDS (SUBJECT)", b"1", b"2.HEADER"]
    texts = [event.data for event in events if isinstance(event, imap.BodyChunk)]
    assert texts == [b"Subject: two\r\n\r\n", b"first", b"Subject: inner\r\n\r\n"]


def test_a_partial_text_begins_at_the_requested_octet() -> None:
    start, chunk, *_ = say(SELECT, imap.UidFetch(b"1", b"BODY.PEEK[]<9.4>"))
    assert (start.origin, start.size, chunk.data) == (9, 4, b"1\r\n\r")


def test_envelope_and_structure_of_a_message() -> None:
    [fetched, _] = say(SELECT, imap.Fetch(b"4", b"(ENVELOPE BODYSTRUCTURE BODY)"))
    values = dict(fetched.others)
    envelope = imap.read_envelope(values[b"ENVELOPE"])
    assert envelope.subject == b"two"
    assert [(a.name, a.mailbox, a.host) for a in envelope.from_] == [
        (b"Ann", b"ann", b"example.net")
    ]
    for name in (b"BODY", b"BODYSTRUCTURE"):
        body = imap.read_body(values[name])
        assert [part.media_type for part in body.parts] == [b"text", b"message"]
        assert body.parts[1].envelope is not None
        assert body.parts[1].envelope.subject == b"inner"


# Mod-sequences


def test_only_changed_messages_are_fetched() -> None:
    boxes = stock()
    before = boxes[b"INBOX"].modseq
    boxes[b"INBOX"].touch(boxes[b"INBOX"].messages[1])
    modifiers = b"CHANGEDSINCE %d" % before
    [_, fetched, _] = say(SELECT, imap.UidFetch(b"1:*", b"(FLAGS)", modifiers), mailboxes=boxes)
    assert (fetched.uid, fetched.modseq) == (2, before + 1)


def test_a_message_changed_in_the_meantime_is_not_modified() -> None:
    boxes = stock()
    before = boxes[b"INBOX"].modseq
    boxes[b"INBOX"].touch(boxes[b"INBOX"].messages[1])
    store = imap.UidStore(b"1:2", b"+FLAGS", rb"(\Deleted)", unchanged_since=before)
    [_, fetched, end] = say(SELECT, store, mailboxes=boxes)
    assert (fetched.uid, fetched.flags) == (1, (rb"\Deleted", rb"\Recent"))
    assert end.code == imap.Code(b"MODIFIED", b"2")


def test_a_search_for_changes_returns_the_highest_modseq() -> None:
    boxes = stock()
    [_, found, _] = say(SELECT, imap.Search(b"MODSEQ 3"), mailboxes=boxes)
    assert found == imap.Found((2, 3, 4), boxes[b"INBOX"].modseq)


def test_a_returning_client_gets_the_missed_changes() -> None:
    boxes = stock()
    inbox = boxes[b"INBOX"]
    before = inbox.modseq
    inbox.remove({2})
    inbox.messages[0].flags.add(rb"\Seen")
    inbox.touch(inbox.messages[0])
    resync = imap.Select(b"INBOX", resync=imap.Resync(7, before))
    events = say(imap.Enable((b"QRESYNC",)), resync, mailboxes=boxes)
    assert imap.Vanished(b"2", earlier=True) in events
    [fetched] = [event for event in events if isinstance(event, imap.Fetched)]
    assert (fetched.number, fetched.uid, fetched.flags) == (1, 1, (rb"\Recent", rb"\Seen"))
    stale = say(
        imap.Enable((b"QRESYNC",)), imap.Select(b"INBOX", resync=imap.Resync(6, 1)), mailboxes=boxes
    )
    assert not any(isinstance(event, imap.Vanished | imap.Fetched) for event in stale)
    assert condition(say(resync, mailboxes=boxes)) is imap.Condition.BAD


def test_enable_reports_the_enabled_capabilities() -> None:
    assert say(imap.Enable((b"QRESYNC", b"UTF8=ACCEPT")))[0] == imap.Enabled(
        frozenset({b"QRESYNC"})
    )


def test_expunged_messages_are_reported_as_vanished_with_qresync() -> None:
    mark = imap.UidStore(b"2:3", b"+FLAGS.SILENT", rb"(\Deleted)")
    events = say(imap.Enable((b"QRESYNC",)), SELECT, mark, imap.Expunge())
    assert events[0] == imap.Vanished(b"2:3")
    events = say(imap.Enable((b"QRESYNC",)), SELECT, SELECT)
    assert events[0] == imap.Status(
        imap.Condition.OK, imap.Code(b"CLOSED"), b"previous mailbox closed"
    )


# Several sessions


def test_each_session_is_notified_of_changes_by_the_others() -> None:
    async def story(one: Session, other: Session) -> tuple[list[Any], list[Any], list[Any]]:
        for channel in (one, other):
            await ask(channel, SELECT)
        await ask(one, imap.Store(b"1:2", b"+FLAGS.SILENT", rb"(\Deleted)"))
        flags = await ask(other, imap.Noop())
        await ask(one, imap.Expunge())
        # Sequence numbers do not change during a command that uses them.
        kept = await ask(other, imap.Fetch(b"3", b"UID"))
        gone = await ask(other, imap.Noop())
        return flags, kept, gone

    flags, kept, gone = talk(story)
    assert [(event.number, event.flags) for event in flags[:-1]] == [
        (1, (rb"\Deleted",)),
        (2, (rb"\Deleted",)),
    ]
    assert kept[0].uid == 3
    assert gone[:-1] == [imap.Expunged(1), imap.Expunged(1)]


def test_an_idle_client_is_notified_at_once_of_new_mail() -> None:
    boxes = stock()

    async def story(channel: Session) -> list[Any]:
        await ask(channel, SELECT)
        channel.machine.send(imap.Idle())
        await until(channel, imap.Idling)
        boxes[b"INBOX"].append(b"new")
        await Sleep(5)
        news = [await next_event(channel, 60)]
        channel.machine.send(imap.Done())
        return [*news, *await until(channel, imap.Completed)]

    news, recent, completed = talk(story, boxes)
    assert (news, recent) == (imap.Exists(5), imap.Recent(5))
    assert completed.condition is imap.Condition.OK


def test_a_client_that_disconnects_while_idle_is_no_error() -> None:
    async def story(channel: Session) -> None:
        channel.machine.send(imap.Idle())
        await until(channel, imap.Idling)

    talk(story)


# Logging in, compression, misbehaviour


def test_a_sasl_login_with_the_correct_password_is_accepted() -> None:
    nonces = iter([b"nonce1", b"nonce2"])

    async def story(channel: Session) -> tuple[Any, Any]:
        assert b"SCRAM-SHA-256" in channel.machine.capabilities[b"AUTH"]
        plain = imap.Authenticate(b"PLAIN", Secret(b"\0joe\0wrong"))
        refused = (await ask(channel, plain))[-1]
        channel.machine.send(imap.Authenticate(b"LOGIN"))
        for word in (b"joe", b"sesame"):
            await until(channel, imap.Challenge)
            channel.machine.send(imap.Respond(Secret(word)))
        return refused, (await until(channel, imap.Completed))[-1]

    refused, granted = talk(story, users={b"joe": b"sesame"}, nonces=lambda: next(nonces))
    assert (refused.condition, refused.code.name) == (imap.Condition.NO, b"AUTHENTICATIONFAILED")
    assert granted.condition is imap.Condition.OK


def test_both_directions_can_be_compressed() -> None:
    events = say(imap.Compress(), SELECT, imap.UidFetch(b"1", b"(UID BODY.PEEK[])"))
    assert b"".join(e.data for e in events if isinstance(e, imap.BodyChunk)) == (
        b"Subject: 1\r\n\r\ntext 1\r\n"
    )


def test_unselect_does_not_expunge() -> None:
    boxes = stock()
    mark = imap.Store(b"1", b"+FLAGS", rb"(\Deleted)")
    assert condition(say(SELECT, mark, imap.Unselect(), mailboxes=boxes)) is imap.Condition.OK
    assert len(boxes[b"INBOX"].messages) == 4


def test_an_invalid_set_is_answered_with_bad() -> None:
    # The syntax check of the machine accepts this set, but the numbers exceed 32 bits.
    assert condition(say(SELECT, imap.Search(b"1:99999999999"))) is imap.Condition.BAD


@pytest.mark.parametrize("how", ["refuse", "hang_up", "silent"])
def test_it_misbehaves_as_configured(how: str) -> None:
    wrong = Misbehaviour(**{how: (imap.Capability,)})  # type: ignore[arg-type]  # one of the names

    async def story(channel: Session) -> Any:
        return (await ask(channel, imap.Capability()))[-1]

    if how == "refuse":
        assert talk(story, misbehaviour=wrong).condition is imap.Condition.NO
    else:
        with pytest.raises(Exception, match=r"timeout|CAPABILITY was unanswered") as caught:
            talk(story, misbehaviour=wrong)
        assert isinstance(caught.value, ConnectionLost) == (how == "hang_up")


def test_logout_sends_bye() -> None:
    assert condition(say(imap.Logout())) is imap.Condition.OK
    assert isinstance(say(imap.Capability())[0], imap.Capabilities)
