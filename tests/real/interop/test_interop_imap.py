"""The IMAP client and Dovecot 2.3: logins, mailboxes and messages, as in RFC 3501."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.protocols.imap.codes import AppendUid, CopyUid, append_uid, copy_uid, number_in
from mailhaul.protocols.imap.commands import (
    Append,
    AskStatus,
    Capability,
    CloseMailbox,
    Copy,
    CreateMailbox,
    DeleteMailbox,
    Expunge,
    Fetch,
    Id,
    ListMailboxes,
    ListSubscribed,
    Login,
    Logout,
    Move,
    Namespace,
    Noop,
    Rename,
    Search,
    Select,
    StartTls,
    Store,
    Subscribe,
    UidCopy,
    UidExpunge,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
    Unsubscribe,
)
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Exists,
    Expunged,
    Flags,
    Found,
    Greeted,
    Identified,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
    SaidBye,
    Status,
    TlsReady,
)
from mailhaul.protocols.imap.mailbox_names import encode_mailbox
from mailhaul.protocols.imap.structure import Address, read_body, read_envelope
from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret

from ..corpus import CORPUS, big, eight_bit, simple
from ..servers.certificates import Certificates
from ..servers.dovecot_services import DovecotServices
from ..servers.inetd import attached
from .clients import ImapWire
from .imap_sessions import append, fetched, in_inbox, logged_in
from .wire import authenticate, joined, tcp

pytestmark = pytest.mark.real

NONCE = b"as-good-as-random-for-a-test"
MIXED = (
    b'From: Ann Sender <ann@example.net>\r\nTo: bob@example.org, "Carol \\"C\\" Clerk" '
    b"<carol@example.org>\r\nCc: friends: dave@example.org;\r\nSubject: two parts\r\n"
    b"Date: Mon, 02 Mar 2020 10:00:00 +0000\r\nMessage-ID: <mixed@example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n"
    b"--cut\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Language: en, de\r\n\r\n"
    b"one\r\ntwo\r\n"
    b'--cut\r\nContent-Type: application/octet-stream; name="x y.bin"\r\n'
    b'Content-Disposition: attachment; filename="x y.bin"\r\n'
    b"Content-Transfer-Encoding: base64\r\nContent-ID: <part@example.org>\r\n\r\nAAECAw==\r\n"
    b"--cut\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: eve@example.org\r\nSubject: inner\r\n\r\nhello\r\n"
    b"--cut--\r\n"
)


@pytest.fixture(scope="module")
def server(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    """A running Dovecot."""
    running = DovecotServices(scratch / "imap", certificates.good)
    with running.running():
        yield running


@pytest.fixture(scope="module")
def server_of_old(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    """A running Dovecot that announces no extension at all."""
    more = "imap_capability = IMAP4rev1\n"
    running = DovecotServices(scratch / "old", certificates.good, more=more)
    with running.running():
        yield running


# Connections and logins


def test_the_greeting_announces_and_capability_says_the_same(server: DovecotServices) -> None:
    with ImapWire(tcp(server.imap_port)) as wire:
        _, greeting = wire.until(Greeted)
        announced = wire.client.capabilities
        assert not greeting.preauthenticated
        assert {b"IMAP4REV1", b"SASL-IR", b"STARTTLS"} <= announced.keys()
        assert b"SCRAM-SHA-256" in announced[b"AUTH"]
        assert isinstance(wire.told(Capability())[-1], Capabilities)
        assert wire.client.capabilities == announced


def test_after_a_login_the_server_can_do_more(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        assert {b"MOVE", b"UIDPLUS", b"QRESYNC"} <= wire.client.capabilities.keys()


def test_inside_tls_all_begins_anew(server: DovecotServices, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=str(certificates.authority))
    user = server.new_user()
    with ImapWire(tcp(server.imap_port)) as wire:
        wire.until(Greeted)
        wire.send(StartTls())
        wire.until(TlsReady)
        wire.shake_hands(trust, "localhost")
        assert not wire.client.capabilities
        wire.told(Capability())
        assert b"STARTTLS" not in wire.client.capabilities
        wire.told(Login(user.encode(), Secret(server.password.encode())))


def test_a_preauthenticated_program_on_a_pipe_needs_no_login(server: DovecotServices) -> None:
    user = server.new_user()
    server.deliver(user, simple())
    argv = server.preauth_argv(user)
    with attached(argv, server.folder / "imapd.log") as stream, ImapWire(stream) as wire:
        _, greeting = wire.until(Greeted)
        assert greeting.preauthenticated
        assert wire.client.state == "authenticated"
        assert Exists(1) in wire.told(Select(b"INBOX"))
        wire.told(Logout())
        assert wire.event() == Closed()


def test_logout_is_answered_by_bye_and_the_end(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        told = wire.told(Logout())
        assert [type(event) for event in told] == [SaidBye]
        assert wire.event() == Closed()


@pytest.mark.parametrize(
    "mechanism", [b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-1", b"SCRAM-SHA-256"]
)
def test_every_mechanism_logs_in(server: DovecotServices, mechanism: bytes) -> None:
    credentials = Credentials(server.new_user().encode(), Secret(server.password.encode()))
    exchange = make_client(mechanism, credentials, nonce=NONCE)
    with ImapWire(tcp(server.imap_port)) as wire:
        wire.until(Greeted)
        done = authenticate(wire, exchange, Completed)
        assert done.condition is Condition.OK
        exchange.finish()
        wire.told(Namespace())


def test_wrong_passwords_are_told_by_their_code(server: DovecotServices) -> None:
    wrong = Secret(b"wrong")
    user = server.new_user().encode()
    with ImapWire(tcp(server.imap_port)) as wire:
        wire.until(Greeted)
        _, by_login = wire.ask(Login(user, wrong))
        plain = make_client(b"PLAIN", Credentials(user, wrong), nonce=NONCE)
        by_plain = authenticate(wire, plain, Completed)
    for done in (by_login, by_plain):
        assert (done.condition, done.code) == (Condition.NO, Code(b"AUTHENTICATIONFAILED"))


def test_a_user_beyond_ascii_goes_as_a_literal(server: DovecotServices) -> None:
    with ImapWire(tcp(server.imap_port)) as wire:
        wire.until(Greeted)
        _, done = wire.ask(Login("jürgen".encode(), Secret('grüßgott "\\'.encode())))
        assert done.condition is Condition.NO
        # The server has read all of it, no more and no less.
        wire.told(Noop())


# Mailboxes


def test_id_and_namespace_are_answered(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        [server_is] = wire.told(Id(((b"name", b"mailhaul"), (b"version", None))))
        assert server_is == Identified(((b"NAME", b"Dovecot"),))
        assert wire.told(Namespace()) == [Namespaces((NamespaceEntry(b"", b"/"),))]


def listed(wire: ImapWire, command: ListMailboxes | ListSubscribed) -> dict[bytes, Listed]:
    return {event.mailbox: event for event in wire.told(command) if isinstance(event, Listed)}


def test_mailboxes_are_made_renamed_and_removed(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        wire.told(CreateMailbox(b"work/new ideas"))
        wire.told(Rename(b"work/new ideas", b'work/"old" ideas'))
        names = listed(wire, ListMailboxes())
        assert names.keys() == {b"INBOX", b"Drafts", b"work", b'work/"old" ideas'}
        assert b"\\Noselect" in names[b"work"].attributes
        assert names[b"INBOX"].delimiter == b"/"
        wire.told(DeleteMailbox(b'work/"old" ideas'))
        assert listed(wire, ListMailboxes()).keys() == {b"INBOX", b"Drafts"}
        _, done = wire.ask(DeleteMailbox(b"never there"))
        assert (done.condition, done.code) == (Condition.NO, Code(b"NONEXISTENT"))


def test_a_name_beyond_ascii_is_the_same_in_create_list_and_select(
    server: DovecotServices,
) -> None:
    name = encode_mailbox("Entwürfe & Größe")
    with logged_in(server, server.new_user()) as wire:
        wire.told(CreateMailbox(name))
        assert name in listed(wire, ListMailboxes())
        wire.told(Select(name))


def test_subscriptions_are_kept_apart_from_mailboxes(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        wire.told(CreateMailbox(b"lists"))
        wire.told(CreateMailbox(b"other"))
        wire.told(Subscribe(b"lists"))
        subscribed = listed(wire, ListSubscribed())
        assert {name: one.lsub for name, one in subscribed.items()} == {b"lists": True}
        wire.told(Unsubscribe(b"lists"))
        assert listed(wire, ListSubscribed()) == {}


def test_status_counts_without_opening(server: DovecotServices) -> None:
    user = server.new_user()
    server.deliver(user, simple(1), flags="S")
    server.deliver(user, simple(2))
    items = (b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN", b"SIZE")
    with logged_in(server, user) as wire:
        [status] = wire.told(AskStatus(b"INBOX", items))
    assert isinstance(status, MailboxStatus)
    told = dict(status.items)
    assert told.keys() == set(items)
    assert (told[b"MESSAGES"], told[b"UIDNEXT"], told[b"UNSEEN"]) == (2, 3, 1)
    assert told[b"SIZE"] == len(simple(1) + simple(2))


def test_select_tells_all_about_a_mailbox_and_examine_changes_nothing(
    server: DovecotServices,
) -> None:
    user = server.new_user()
    server.deliver(user, simple())
    with logged_in(server, user) as wire:
        told, done = wire.ask(Select(b"INBOX", read_only=True))
        assert done.code == Code(b"READ-ONLY")
        assert Exists(1) in told
        assert any(isinstance(event, Flags) and b"\\Seen" in event.names for event in told)
        codes = [event.code for event in told if isinstance(event, Status)]
        assert {2} == {n for code in codes if (n := number_in(code, b"UIDNEXT"))}
        wire.told(Fetch(b"1", b"(BODY[])"))
        wire.told(Unselect())
        told, done = wire.ask(Select(b"INBOX"))
        assert done.code == Code(b"READ-WRITE")
        [one] = fetched(wire.told(Fetch(b"1", b"(FLAGS)")))
        assert one.flags is not None
        assert b"\\Seen" not in one.flags


def test_a_mailbox_that_is_not_there_leaves_none_selected(server: DovecotServices) -> None:
    with in_inbox(server) as wire:
        _, done = wire.ask(Select(b"nowhere"))
        assert done.condition is Condition.NO
        assert wire.client.state == "authenticated"


# Messages


@pytest.mark.parametrize("name", CORPUS)
def test_every_message_of_the_corpus_comes_octet_for_octet(
    server: DovecotServices, name: str
) -> None:
    message = CORPUS[name]()
    with in_inbox(server, message) as wire:
        told = wire.told(UidFetch(b"1", b"(UID RFC822.SIZE BODY.PEEK[])"))
    assert joined(told, BodyChunk) == message
    [one] = fetched(told)
    assert (one.uid, one.size) == (1, len(message))


def test_an_envelope_is_read_in_all_its_parts(server: DovecotServices) -> None:
    with in_inbox(server, MIXED) as wire:
        [one] = fetched(wire.told(UidFetch(b"1", b"(ENVELOPE INTERNALDATE FLAGS)")))
    envelope = read_envelope(dict(one.others)[b"ENVELOPE"])
    assert envelope.subject == b"two parts"
    assert envelope.from_ == (Address(b"Ann Sender", None, b"ann", b"example.net"),)
    assert envelope.sender == envelope.reply_to == envelope.from_
    assert envelope.to[1] == Address(b'Carol "C" Clerk', None, b"carol", b"example.org")
    # A group opens with its name where the mailbox stands, and closes with nothing at all.
    assert envelope.cc[0] == Address(None, None, b"friends", None)
    assert envelope.cc[-1] == Address(None, None, None, None)
    assert envelope.message_id == b"<mixed@example.org>"
    assert one.internal_date is not None


def test_a_body_structure_is_read_in_all_its_parts(server: DovecotServices) -> None:
    with in_inbox(server, MIXED) as wire:
        [one] = fetched(wire.told(UidFetch(b"1", b"(BODYSTRUCTURE)")))
        [short] = fetched(wire.told(UidFetch(b"1", b"(BODY)")))
    whole = read_body(dict(one.others)[b"BODYSTRUCTURE"])
    text, attachment, message = whole.parts
    assert (whole.media_type, whole.subtype.lower()) == (b"multipart", b"mixed")
    assert whole.parameters == ((b"boundary", b"cut"),)
    assert (text.lines, text.size, text.languages) == (1, len(b"one\r\ntwo"), (b"en", b"de"))
    assert attachment.id == b"<part@example.org>"
    assert attachment.disposition == (b"attachment", ((b"filename", b"x y.bin"),))
    assert message.envelope is not None
    assert message.envelope.subject == b"inner"
    assert message.inner is not None
    assert message.inner.media_type.lower() == b"text"
    assert [part.subtype for part in read_body(dict(short.others)[b"BODY"]).parts] == [
        part.subtype for part in whole.parts
    ]


def test_parts_headers_and_partial_texts_say_which_they_are(server: DovecotServices) -> None:
    items = (
        b"(BODY.PEEK[HEADER.FIELDS (SUBJECT DATE)] BODY.PEEK[1] BODY.PEEK[2.MIME]"
        b" BODY.PEEK[3.HEADER] BODY.PEEK[]<5.9> RFC822.HEADER)"
    )
    with in_inbox(server, MIXED) as wire:
        told = wire.told(UidFetch(b"1", items))
    texts: dict[tuple[bytes, int | None], bytes] = {}
    key: tuple[bytes, int | None] = (b"", None)
    for event in told:
        if isinstance(event, BodyStart):
            key = (event.old_name or event.section, event.origin)
            texts[key] = b""
        elif isinstance(event, BodyChunk):
            texts[key] += event.data
    header = MIXED.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert texts[b"HEADER.FIELDS (SUBJECT DATE)", None] == (
        b"Subject: two parts\r\nDate: Mon, 02 Mar 2020 10:00:00 +0000\r\n\r\n"
    )
    assert texts[b"1", None] == b"one\r\ntwo"
    assert texts[b"2.MIME", None].startswith(b"Content-Type: application/octet-stream")
    assert texts[b"3.HEADER", None] == b"From: eve@example.org\r\nSubject: inner\r\n\r\n"
    assert texts[b"", 5] == MIXED[5:14]
    assert texts[b"RFC822.HEADER", None] == header
    assert len(texts) == 6


def test_binary_parts_come_decoded(server: DovecotServices) -> None:
    with in_inbox(server, MIXED) as wire:
        told = wire.told(UidFetch(b"1", b"(BINARY.PEEK[2])"))
    start = next(event for event in told if isinstance(event, BodyStart))
    assert start.binary
    assert joined(told, BodyChunk) == b"\0\1\2\3"


def test_flags_are_stored_and_searched(server: DovecotServices) -> None:
    with in_inbox(server, simple(1), simple(2), simple(3)) as wire:
        [one] = fetched(wire.told(Store(b"2", b"+FLAGS", b"(\\Seen $Label1)")))
        assert one.flags is not None
        assert {b"\\Seen", b"$Label1"} <= set(one.flags)
        assert fetched(wire.told(UidStore(b"3", b"+FLAGS.SILENT", b"(\\Flagged)"))) == []
        assert Found((1, 3)) in wire.told(Search(b"UNSEEN"))
        assert Found((2,)) in wire.told(UidSearch(b"KEYWORD $Label1"))
        assert Found(()) in wire.told(UidSearch(b"SUBJECT nothing"))


def test_a_search_beyond_ascii_names_its_charset(server: DovecotServices) -> None:
    with in_inbox(server, simple(), eight_bit()) as wire:
        assert Found((2,)) in wire.told(UidSearch('CHARSET UTF-8 BODY "Köln"'.encode()))


def test_expunge_and_uid_expunge_remove_what_they_are_told(server: DovecotServices) -> None:
    with in_inbox(server, *map(simple, range(1, 6))) as wire:
        wire.told(UidStore(b"1,2,4", b"+FLAGS.SILENT", b"(\\Deleted)"))
        assert Expunged(2) in wire.told(UidExpunge(b"2"))
        told = wire.told(Expunge())
        # Dovecot goes from the end to the beginning, so that no number moves on the way.
        assert [event for event in told if isinstance(event, Expunged)] == [
            Expunged(3),
            Expunged(1),
        ]
        assert Found((3, 5)) in wire.told(UidSearch(b"ALL"))


def test_close_expunges_without_a_word_and_unselect_does_not(server: DovecotServices) -> None:
    with in_inbox(server, simple(1), simple(2)) as wire:
        wire.told(Store(b"1", b"+FLAGS.SILENT", b"(\\Deleted)"))
        wire.told(Unselect())
        assert Exists(2) in wire.told(Select(b"INBOX"))
        assert not any(isinstance(event, Expunged) for event in wire.told(CloseMailbox()))
        assert Exists(1) in wire.told(Select(b"INBOX"))


@pytest.mark.parametrize("command", [Copy(b"1:2", b"kept"), UidCopy(b"1:2", b"kept")])
def test_copies_tell_their_new_uids(server: DovecotServices, command: Copy | UidCopy) -> None:
    with in_inbox(server, simple(1), simple(2)) as wire:
        wire.told(CreateMailbox(b"kept"))
        _, done = wire.ask(command)
        copied = copy_uid(done.code)
        assert copied == CopyUid(copied.uid_validity if copied else 0, b"1:2", b"1:2")
        assert Exists(2) in wire.told(Select(b"kept"))


@pytest.mark.parametrize("command", [Move(b"2", b"kept"), UidMove(b"2", b"kept")])
def test_moves_tell_their_new_uids_before_they_are_over(
    server: DovecotServices, command: Move | UidMove
) -> None:
    with in_inbox(server, simple(1), simple(2)) as wire:
        wire.told(CreateMailbox(b"kept"))
        told = wire.told(command)
        [copied] = [uid for e in told if isinstance(e, Status) and (uid := copy_uid(e.code))]
        assert (copied.source, copied.destination) == (b"2", b"1")
        assert Expunged(2) in told


def test_a_copy_to_nowhere_says_that_it_could_be_made(server: DovecotServices) -> None:
    with in_inbox(server, simple()) as wire:
        _, done = wire.ask(UidCopy(b"1", b"nowhere"))
        assert (done.condition, done.code) == (Condition.NO, Code(b"TRYCREATE"))


# APPEND, streamed


def test_an_appended_message_is_stored_octet_for_octet(server: DovecotServices) -> None:
    user, message = server.new_user(), big()
    pieces = [message[at : at + 100_000] for at in range(0, len(message), 100_000)]
    command = Append(b"INBOX", len(message), (b"\\Seen",), b"17-Jul-1996 02:44:25 -0700")
    with logged_in(server, user) as wire:
        assert b"LITERAL+" in wire.client.capabilities
        where = append_uid(append(wire, command, pieces).code)
        assert isinstance(where, AppendUid)
        assert where.uid == 1
        wire.told(Select(b"INBOX"))
        [one] = fetched(told := wire.told(UidFetch(b"1", b"(FLAGS INTERNALDATE BODY.PEEK[])")))
    assert joined(told, BodyChunk) == message
    assert one.flags is not None
    assert b"\\Seen" in one.flags
    assert one.internal_date == b"17-Jul-1996 09:44:25 +0000"


def test_a_server_of_old_is_spoken_to_without_extensions(
    server_of_old: DovecotServices,
) -> None:
    user = server_of_old.new_user().encode()
    credentials = Credentials(user, Secret(server_of_old.password.encode()))
    with ImapWire(tcp(server_of_old.imap_port)) as wire:
        wire.until(Greeted)
        assert not {b"SASL-IR", b"LITERAL+"} & wire.client.capabilities.keys()
        plain = make_client(b"PLAIN", credentials, nonce=NONCE)
        assert authenticate(wire, plain, Completed).condition is Condition.OK
        assert wire.client.capabilities == {b"IMAP4REV1": ()}
        # The server has to ask for the name, before it finds that it is none, and for the text.
        _, done = wire.ask(CreateMailbox("Köln".encode("latin-1")))
        assert done.condition is Condition.NO
        command = Append(b"INBOX", len(simple()))
        assert append(wire, command, [simple()[:10], simple()[10:]]).condition is Condition.OK
        # A refusal that comes instead of the + owes no text.
        _, done = wire.ask(Append(b"nowhere", 5))
        assert (done.condition, done.code) == (Condition.NO, Code(b"TRYCREATE"))
        told = wire.told(Select(b"INBOX"))
        assert Exists(1) in told
        assert joined(wire.told(UidFetch(b"1", b"(BODY.PEEK[])")), BodyChunk) == simple()


def test_an_append_to_nowhere_is_refused_and_the_session_goes_on(server: DovecotServices) -> None:
    with logged_in(server, server.new_user()) as wire:
        done = append(wire, Append(b"nowhere", len(simple())), [simple()])
        assert (done.condition, done.code) == (Condition.NO, Code(b"TRYCREATE"))
        wire.told(Noop())


def test_commands_go_ahead_of_their_replies(server: DovecotServices) -> None:
    with in_inbox(server, *map(simple, range(1, 21))) as wire:
        commands = [UidFetch(b"%d" % uid, b"(UID BODY.PEEK[])") for uid in range(1, 21)]
        wire.send(*commands)
        answers = [wire.answer() for _ in commands]
    assert [done.command for _, done in answers] == commands
    assert all(done.condition is Condition.OK for _, done in answers)
    # Dovecot joins neighbouring UID FETCH commands: the texts of several come before the first
    # tagged reply. Only the UID says to which one a text belongs.
    events = [event for told, _ in answers for event in told]
    assert [one.uid for one in fetched(events)] == list(range(1, 21))
    assert joined(events, BodyChunk) == b"".join(map(simple, range(1, 21)))
