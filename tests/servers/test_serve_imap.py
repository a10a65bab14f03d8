"""The IMAP server as a flow, with our client and imaplib, in memory."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from mailhaul import imap
from mailhaul.flows.channel import CONGESTED, Channel, next_event
from mailhaul.flows.requests import Close, Open, Request, Tcp, TlsFailed, Wait
from mailhaul.protocols.errors import ConnectionLost
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

HERE = Tcp("mail.example.org", 143)
USERS = {b"joe": b"sesame"}
LOGIN = imap.Login(b"joe", Secret(b"sesame"))
SEEN, DELETED, RECENT = rb"\Seen", rb"\Deleted", rb"\Recent"
Session = Coroutine[Request[Any], Any, Any]


def text(number: int) -> bytes:
    return b"From: ann@example.net\r\nSubject: %d\r\n\r\nhello %d\r\n" % (number, number)


def inbox(count: int = 3) -> Mailboxes:
    return Mailboxes({b"INBOX": Mailbox([text(n) for n in range(1, count + 1)], uidvalidity=7)})


async def ask(channel: Channel[imap.Client], command: imap.Command) -> list[Any]:
    """Send a command; return all events up to its completion."""
    channel.machine.send(command)
    events: list[Any] = []
    while not events or not isinstance(events[-1], imap.Completed | imap.TlsReady):
        events.append(await next_event(channel, 60))
    return events


def talk(
    mailboxes: Mailboxes,
    *commands: imap.Command,
    users: dict[bytes, bytes] | None = None,
    **options: Any,
) -> list[list[Any]]:
    """Send commands one by one to a server; return the events of each, the greeting first."""

    async def story() -> list[list[Any]]:
        channel = Channel("server", imap.Client())
        await Open(channel, HERE, 60)
        heard: list[list[Any]] = [[await next_event(channel, 60)]]
        while not isinstance(heard[0][-1], imap.Greeted):
            heard[0].append(await next_event(channel, 60))
        for command in commands:
            heard.append(await ask(channel, command))
        await Close(channel)
        return heard

    world = Simulation(cut=True)
    world.listen(
        HERE, imap.Server, lambda channel: serve_imap(channel, mailboxes, users, **options)
    )
    return world.run(story())


def condition(events: list[Any]) -> imap.Condition:
    assert isinstance(events[-1], imap.Completed)
    return events[-1].condition


def test_without_users_the_client_is_already_logged_in() -> None:
    [[*_, greeting]] = talk(inbox())
    assert greeting.preauthenticated


def test_a_login_needs_the_correct_password() -> None:
    wrong, right = imap.Login(b"joe", Secret(b"x")), LOGIN
    unknown = imap.Login(b"ann", Secret(b"sesame"))
    _, *ends = talk(inbox(), wrong, unknown, right, users=USERS)
    assert [condition(e) for e in ends] == [imap.Condition.NO, imap.Condition.NO, imap.Condition.OK]


def test_select_reports_the_content_of_a_mailbox() -> None:
    _, events = talk(inbox(), imap.Select(b"inbox"))
    assert imap.Exists(3) in events
    codes = {e.code.name: e.code.arguments for e in events if getattr(e, "code", None)}
    assert codes[b"UIDVALIDITY"] == b"7"
    assert codes[b"UIDNEXT"] == b"4"
    assert b"READ-WRITE" in codes


def test_a_mailbox_that_does_not_exist_is_refused() -> None:
    _, events = talk(inbox(), imap.Select(b"Spam"))
    assert condition(events) is imap.Condition.NO


def test_fetching_marks_a_message_unless_it_only_peeks() -> None:
    mailboxes = inbox()
    _, _, peeked, read = talk(
        mailboxes,
        imap.Select(b"INBOX"),
        imap.UidFetch(b"1", b"(UID RFC822.SIZE BODY.PEEK[])"),
        imap.UidFetch(b"2", b"BODY[TEXT]"),
    )
    size = len(text(1))
    assert peeked[0] == imap.BodyStart(1, 1, b"", size)
    assert b"".join(e.data for e in peeked if isinstance(e, imap.BodyChunk)) == text(1)
    assert peeked[-3:-1] == [imap.BodyEnd(), imap.Fetched(1, 1, size)]
    assert b"".join(e.data for e in read if isinstance(e, imap.BodyChunk)) == b"hello 2\r\n"
    assert read[-2] == imap.Fetched(2, 2, None, (RECENT, SEEN))
    assert [m.flags for m in mailboxes[b"INBOX"].messages] == [set(), {SEEN}, set()]


def test_a_mailbox_opened_read_only_does_not_change() -> None:
    mailboxes = inbox()
    _, *ends = talk(
        mailboxes,
        imap.Select(b"INBOX", read_only=True),
        imap.UidFetch(b"1", b"BODY[]"),
        imap.UidStore(b"1", b"+FLAGS", b"(\\Deleted)"),
        imap.Expunge(),
        imap.CloseMailbox(),
    )
    ok, no = imap.Condition.OK, imap.Condition.NO
    assert [condition(e) for e in ends] == [ok, ok, no, no, ok]
    assert [m.flags for m in mailboxes[b"INBOX"].messages] == [set()] * 3


def test_flags_are_added_removed_and_replaced() -> None:
    mailboxes = inbox(1)
    _, _, added, silent, taken, replaced, odd = talk(
        mailboxes,
        imap.Select(b"INBOX"),
        imap.UidStore(b"1", b"+FLAGS", b"(\\seen \\Flagged)"),
        imap.UidStore(b"1", b"+flags.silent", b"\\DELETED"),
        imap.UidStore(b"1", b"-FLAGS", b"(\\Flagged)"),
        imap.UidStore(b"1", b"FLAGS", b"(Junk)"),
        imap.UidStore(b"1", b"*FLAGS", b"(Junk)"),
    )
    assert added[0] == imap.Fetched(1, 1, None, (rb"\Flagged", RECENT, SEEN))
    assert len(silent) == 1
    assert taken[0] == imap.Fetched(1, 1, None, (DELETED, RECENT, SEEN))
    assert replaced[2] == imap.Fetched(1, 1, None, (b"Junk", RECENT))
    assert condition(odd) is imap.Condition.BAD


def test_uid_expunge_removes_only_the_named_messages() -> None:
    mailboxes = inbox(4)
    _, _, _, expunged, rest = talk(
        mailboxes,
        imap.Select(b"INBOX"),
        imap.UidStore(b"1,2,4", b"+FLAGS.SILENT", b"(\\Deleted)"),
        imap.UidExpunge(b"1:2"),
        imap.Expunge(),
    )
    assert expunged[:-1] == [imap.Expunged(1), imap.Expunged(1)]
    assert rest[:-1] == [imap.Expunged(2)]
    assert [m.uid for m in mailboxes[b"INBOX"].messages] == [3]


def test_close_expunges_without_responses() -> None:
    mailboxes = inbox(2)
    _, _, _, closed = talk(
        mailboxes,
        imap.Select(b"INBOX"),
        imap.UidStore(b"1", b"+FLAGS.SILENT", b"(\\Deleted)"),
        imap.CloseMailbox(),
    )
    assert len(closed) == 1
    assert [m.uid for m in mailboxes[b"INBOX"].messages] == [2]


def test_new_mail_is_announced_with_the_next_response() -> None:
    mailboxes = inbox(1)

    def chunks() -> Iterator[bytes]:
        mailboxes[b"INBOX"].append(text(2))
        yield text(1)

    mailboxes[b"INBOX"].messages[0].chunks = chunks
    _, _, fetched, quiet = talk(
        mailboxes, imap.Select(b"INBOX"), imap.UidFetch(b"1", b"BODY[]"), imap.Noop()
    )
    assert imap.Exists(2) in fetched
    assert len(quiet) == 1


@pytest.mark.parametrize(
    "command",
    [
        imap.UidFetch(b"1", b"BINARY[1]"),
        imap.UidFetch(b"1", b"(UID BODY[MIME])"),
        imap.UidFetch(b"1", b"FLAGS", b"PARTIAL 1:5"),
        imap.Search(b"ALL", (b"SAVE",)),
        *(imap.Move(b"1", b"INBOX"), imap.Idle(), imap.Notify(), imap.Namespace(), imap.Unselect()),
    ],
)
def test_an_unsupported_command_is_refused_without_other_responses(command: imap.Command) -> None:
    _, _, events = talk(inbox(), imap.Select(b"INBOX"), command)
    assert len(events) == 1
    assert condition(events) is imap.Condition.BAD


@pytest.mark.parametrize("octets", [0, 1, 10, len(text(2)) - 1, len(text(2))])
def test_it_can_close_the_connection_inside_or_right_after_a_text(octets: int) -> None:
    fault = Misbehaviour({2: octets})
    with pytest.raises(ConnectionLost) as lost:
        talk(
            inbox(),
            imap.Select(b"INBOX"),
            imap.UidFetch(b"1:3", b"BODY.PEEK[]"),
            misbehaviour=fault,
        )
    missing = len(text(2)) - octets
    expected = f"{missing} octets" if missing else "UID FETCH 1:3 was unanswered"
    assert expected in str(lost.value)


def test_tls_is_offered_once_and_not_inside_itself() -> None:
    channels: list[Channel[imap.Server]] = []

    async def secure() -> None:
        channels[0].tls = True

    def serve(channel: Channel[imap.Server]) -> Session:
        channels.append(channel)
        return serve_imap(channel, inbox(), USERS, secure=secure)

    async def story() -> list[Any]:
        channel = Channel("server", imap.Client())
        await Open(channel, HERE, 60)
        await next_event(channel, 60)
        offered = b"STARTTLS" in channel.machine.capabilities
        await next_event(channel, 60)
        granted = (await ask(channel, imap.StartTls()))[-1]
        channel.machine.tls_started()
        await ask(channel, imap.Capability())
        still = b"STARTTLS" in channel.machine.capabilities
        ended = (await ask(channel, LOGIN))[-1]
        return [offered, granted, still, ended.condition]

    world = Simulation()
    world.listen(HERE, imap.Server, serve)
    assert world.run(story()) == [True, imap.TlsReady(imap.StartTls()), False, imap.Condition.OK]


def test_a_failed_handshake_ends_the_session() -> None:
    async def secure() -> None:
        raise TlsFailed("no")

    async def story() -> Any:
        channel = Channel("server", imap.Client())
        await Open(channel, HERE, 60)
        while not isinstance(await next_event(channel, 60), imap.Greeted):
            pass
        await ask(channel, imap.StartTls())
        return await next_event(channel, 60)

    world = Simulation()
    world.listen(HERE, imap.Server, lambda c: serve_imap(c, inbox(), USERS, secure=secure))
    assert isinstance(world.run(story()), imap.Closed)


def test_starttls_without_a_certificate_is_refused() -> None:
    _, events = talk(inbox(), imap.StartTls(), users=USERS)
    assert condition(events) is imap.Condition.BAD


def test_an_inactive_client_is_logged_out() -> None:
    async def story() -> list[Any]:
        channel = Channel("server", imap.Client())
        await Open(channel, HERE, 60)
        return [await next_event(channel, 100_000) for _ in range(4)]

    world = Simulation()
    world.listen(HERE, imap.Server, lambda channel: serve_imap(channel, inbox()))
    *_, bye, closed = world.run(story())
    assert isinstance(bye, imap.SaidBye)
    assert closed == imap.Closed()


# A session without a runtime


class Loopback:
    """A session without a runtime: bytes in, bytes out, and the maximum of pending bytes."""

    def __init__(self, serve: Callable[[Channel[imap.Server]], Session]) -> None:
        self.channel = Channel("client", imap.Server())
        self.output = bytearray()
        self.most_held = 0
        self.waits = 0
        self.over = False
        self._flow = serve(self.channel)
        self.go_on()

    def feed(self, data: bytes) -> None:
        self.channel.machine.receive_data(data)
        self.go_on()

    def end(self) -> None:
        self.channel.machine.receive_eof()
        self.go_on()

    def go_on(self) -> None:
        """Run until the flow waits for more input; collect all its output."""
        while not self.over:
            try:
                request = self._flow.send(None)
            except StopIteration:
                self.over = True
            else:
                assert isinstance(request, Wait | Close)
                self.waits += 1
            self.most_held = max(self.most_held, self.channel.machine.unsent)
            said = b"".join(self.channel.machine.data_to_send())
            self.output += said
            if not said and not self.over and isinstance(request, Wait):
                return

    def take(self, size: int) -> bytes:
        taken = bytes(self.output[:size])
        del self.output[:size]
        return taken


def test_a_huge_message_is_generated_while_it_is_sent() -> None:
    size, chunk = 200_000_000, b"x" * 100_000
    mailboxes = inbox(0)
    mailboxes[b"INBOX"].append_chunks(size, lambda: (chunk for _ in range(size // len(chunk))))
    channel = Channel("client", imap.Server())
    flow = serve_imap(channel, mailboxes)
    channel.machine.receive_data(b"a SELECT INBOX\r\nb UID FETCH 1 (UID BODY.PEEK[])\r\n")
    sent = most = 0
    end = b""
    while not end.endswith(b"b OK done\r\n"):
        flow.send(None)
        most = max(most, channel.machine.unsent)
        pieces = channel.machine.data_to_send()
        sent += sum(map(len, pieces))
        end = pieces[-1][-20:]
    flow.close()
    assert sent > size
    assert most <= CONGESTED + len(chunk) + 1000


def test_garbage_ends_the_session_with_bye() -> None:
    session = Loopback(lambda channel: serve_imap(channel, inbox()))
    session.feed(b"x" * 100_000)
    assert session.over
    assert session.output.splitlines()[-1].startswith(b"* BYE ")


def test_a_client_that_just_disconnects_is_no_error() -> None:
    session = Loopback(lambda channel: serve_imap(channel, inbox()))
    session.feed(b"a SELECT INBOX\r\nb NOO")
    session.end()
    assert session.over


class InMemory(imaplib.IMAP4):
    """The IMAP client of the standard library on a session in memory."""

    def __init__(self, session: Loopback) -> None:
        self.session = session
        super().__init__()

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        pass

    def read(self, size: int) -> bytes:
        return self.session.take(size)

    def readline(self) -> bytes:
        return self.session.take(self.session.output.index(b"\n") + 1)

    def send(self, data: Any) -> None:
        self.session.feed(bytes(data))

    def shutdown(self) -> None:
        self.session.end()


def test_the_client_of_the_standard_library_can_poll_it() -> None:
    mailboxes = inbox(3)
    client = InMemory(Loopback(lambda channel: serve_imap(channel, mailboxes, USERS)))
    assert client.login("joe", "sesame")[0] == "OK"
    assert client.select() == ("OK", [b"3"])
    assert client.search(None, "UNSEEN") == ("OK", [b"1 2 3"])
    assert client.uid("SEARCH", "UID", "2:*") == ("OK", [b"2 3"])
    _, parts = client.fetch("1:2", "(FLAGS RFC822.HEADER BODY.PEEK[TEXT])")
    assert [part[1] for part in parts if isinstance(part, tuple)] == [
        b"From: ann@example.net\r\nSubject: 1\r\n\r\n",
        b"hello 1\r\n",
        b"From: ann@example.net\r\nSubject: 2\r\n\r\n",
        b"hello 2\r\n",
    ]
    _, parts = client.fetch("3", "(RFC822)")
    assert isinstance(parts[0], tuple)
    assert parts[0] == (b"3 (RFC822 {%d}" % len(text(3)), text(3))
    assert client.store("1", "+FLAGS", r"(\Deleted)") == ("OK", [rb"1 (FLAGS (\Deleted \Recent))"])
    assert client.expunge() == ("OK", [b"1"])
    assert client.search(None, "SEEN") == ("OK", [b"2"])
    assert client.close()[0] == "OK"
    assert client.logout()[0] == "BYE"
    assert client.session.over


def test_the_commands_of_fetchmail_get_the_expected_responses() -> None:
    session = Loopback(lambda channel: serve_imap(channel, inbox(1), USERS))
    session.feed(b'A1 LOGIN "joe" "sesame"\r\nA2 SELECT "INBOX"\r\nA3 EXPUNGE\r\n')
    session.feed(b"A4 SEARCH UNSEEN NOT DELETED\r\n")
    session.output.clear()
    for line in (
        b"A5 FETCH 1 RFC822.SIZE",
        b"A6 FETCH 1 RFC822.HEADER",
        b"A7 FETCH 1 BODY.PEEK[TEXT]",
        b"A8 STORE 1 +FLAGS (\\Seen \\Deleted)",
        b"A9 EXPUNGE",
    ):
        session.feed(line + b"\r\n")
    assert bytes(session.output) == (
        b"* 1 FETCH (RFC822.SIZE %d)\r\nA5 OK done\r\n"
        b"* 1 FETCH (RFC822.HEADER {37}\r\nFrom: ann@example.net\r\nSubject: 1\r\n\r\n)\r\n"
        b"A6 OK done\r\n"
        b"* 1 FETCH (BODY[TEXT] {9}\r\nhello 1\r\n)\r\nA7 OK done\r\n"
        b"* 1 FETCH (FLAGS (\\Deleted \\Recent \\Seen))\r\nA8 OK done\r\n"
        b"* 1 EXPUNGE\r\nA9 OK done\r\n"
    ) % len(text(1))


def test_logging_out_ends_the_session() -> None:
    mailboxes = inbox()
    _, events = talk(mailboxes, imap.Logout())
    assert isinstance(events[0], imap.SaidBye)
    assert condition(events) is imap.Condition.OK
