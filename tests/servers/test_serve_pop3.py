"""The POP3 server as a flow, with our client and poplib, in memory."""

from __future__ import annotations

import poplib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mailhaul import pop3
from mailhaul.flows.channel import CONGESTED, Channel, next_event
from mailhaul.flows.requests import Close, Now, Open, Request, Tcp, TimedOut, TlsFailed, Wait
from mailhaul.protocols.dots import DotReader
from mailhaul.protocols.errors import ConnectionLost
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Message, View
from mailhaul.servers.pop3 import (
    INACTIVITY_TIMEOUT,
    Maildrop,
    Misbehaviour,
    first_lines,
    serve_pop3,
)

HERE = Tcp("mail.example.org", 110)
LOGINS = Logins({b"joe": b"sesame"})
LOGIN: tuple[pop3.Command, ...] = (pop3.User(b"joe"), pop3.Pass(Secret(b"sesame")))
TIMESTAMP = b"<1.2@mail.example.org>"
Session = Coroutine[Request[Any], Any, Any]


def text(number: int) -> bytes:
    return b"Subject: %d\r\n\r\nhello\r\n.\r\n..%d\r\n" % (number, number)


def maildrop(count: int = 3) -> Maildrop:
    return Maildrop(Mailbox([text(number) for number in range(1, count + 1)], uidvalidity=7))


def uids(drop: Maildrop) -> list[int]:
    return [message.uid for message in drop.mailbox.messages]


async def ask(channel: Channel[pop3.Client], command: pop3.Command) -> list[Any]:
    """Send a command; return all events up to its completion."""
    channel.machine.send(command)
    events: list[Any] = []
    while not events or not isinstance(events[-1], pop3.Completed | pop3.TlsReady):
        events.append(await next_event(channel, 60))
    return events


def talk(drop: Maildrop, *commands: pop3.Command, **options: Any) -> list[list[Any]]:
    """Send commands one by one to a server; return the events of each."""

    async def story() -> list[list[Any]]:
        channel = Channel("server", pop3.Client())
        await Open(channel, HERE, 60)
        await next_event(channel, 60)
        found = [await ask(channel, command) for command in commands]
        await Close(channel)
        return found

    world = Simulation(cut=True)
    logins = options.pop("logins", LOGINS)
    world.listen(HERE, pop3.Server, lambda channel: serve_pop3(channel, drop, logins, **options))
    return world.run(story())


def served(drop: Maildrop, *commands: pop3.Command, **options: Any) -> list[list[Any]]:
    """Log in, and then send commands; return the events of these."""
    return talk(drop, *LOGIN, *commands, **options)[2:]


def one(events: list[Any]) -> pop3.Completed:
    [event] = events
    assert isinstance(event, pop3.Completed)
    return event


def body(events: list[Any]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, pop3.BodyChunk))


# Logging in


@pytest.mark.parametrize(
    ("login", "options"),
    [
        (LOGIN, {}),
        ((pop3.Authenticate(b"PLAIN", Secret(b"\0joe\0sesame")),), {}),
        ((pop3.Apop(b"joe", Secret(b"sesame")),), {"timestamp": TIMESTAMP}),
    ],
)
def test_every_login_method_opens_the_maildrop(
    login: tuple[pop3.Command, ...], options: dict[str, Any]
) -> None:
    *_, entered, stat = talk(maildrop(), *login, pop3.Stat(), **options)
    assert one(entered).text == b"3 messages"
    assert stat[0] == pop3.Counted(3, 3 * len(text(1)))


@pytest.mark.parametrize(
    "login",
    [
        (pop3.User(b"joe"), pop3.Pass(Secret(b"wrong"))),
        (pop3.User(b"eve"), pop3.Pass(Secret(b"sesame"))),
        (pop3.Authenticate(b"PLAIN", Secret(b"\0joe\0wrong")),),
        (pop3.Apop(b"joe", Secret(b"wrong")),),
        (pop3.Apop(b"eve", Secret(b"sesame")),),
    ],
)
def test_a_wrong_password_is_refused(login: tuple[pop3.Command, ...]) -> None:
    *_, refused, again = talk(maildrop(), *login, pop3.User(b"joe"), timestamp=TIMESTAMP)
    assert (one(refused).positive, one(refused).code) == (False, pop3.ResponseCode.AUTH)
    assert one(again).positive


def test_the_server_does_not_reveal_which_users_exist() -> None:
    known, unknown = (talk(maildrop(), pop3.User(name)) for name in (b"joe", b"eve"))
    assert one(known[0]).text == one(unknown[0]).text
    assert one(known[0]).positive
    assert one(unknown[0]).positive


def test_apop_without_a_timestamp_is_refused() -> None:
    session = Loopback(lambda channel: serve_pop3(channel, maildrop(), LOGINS))
    session.feed(b"APOP joe d41d8cd98f00b204e9800998ecf8427e\r\n")
    assert b"-ERR APOP is not offered here" in session.output


@pytest.mark.parametrize(
    "lines",
    [
        *(b"AUTH NTLM\r\n", b"AUTH PLAIN\r\n*\r\n", b"AUTH PLAIN\r\n!\r\n"),
        *(b"AUTH PLAIN !\r\n", b"AUTH PLAIN AGpvZQ==\r\n", b"AUTH LOGIN\r\nam9l\r\n*\r\n"),
    ],
)
def test_only_wrong_credentials_get_the_auth_code(lines: bytes) -> None:
    session = Loopback(lambda channel: serve_pop3(channel, maildrop(), LOGINS))
    session.feed(lines + b"NOOP\r\n")
    assert b"-ERR " in session.output
    assert b"[AUTH]" not in session.output
    session.output.clear()
    session.feed(b"AUTH PLAIN AGpvZQB3cm9uZw==\r\n")
    assert session.output.startswith(b"-ERR [AUTH]")


@pytest.mark.parametrize(
    "text",
    [
        b"A: b\rC: d\r\rtext\r",
        b"A: b\n\n.text\n..\n",
        b"A: b\r\n\r\nno end",
        b"\r\nbody\r\n",
        b"",
        b"\r",
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_the_listed_size_is_the_size_that_is_sent(text: bytes, cut: int) -> None:
    pieces = [text[start : start + cut] for start in range(0, len(text), cut)]
    box = Mailbox()
    box.append(text).chunks = lambda: pieces
    session = Loopback(lambda channel: serve_pop3(channel, Maildrop(box), LOGINS))
    session.feed(b"USER joe\r\nPASS sesame\r\n")
    session.output.clear()
    session.feed(b"LIST 1\r\nSTAT\r\nRETR 1\r\n")
    listed, stat, ok, text_sent = bytes(session.output).split(b"\r\n", 3)
    assert ok == b"+OK"
    reader = DotReader()
    octets = len(reader.feed(text_sent))
    assert reader.over
    assert (listed, stat) == (b"+OK 1 %d" % octets, b"+OK 1 %d" % octets)


@pytest.mark.parametrize(
    ("text", "top"),
    [
        (b"A: b\n\none\ntwo\n", b"A: b\r\n\r\none\r\n"),
        (b"\r\none\r\ntwo\r\n", b"\r\none\r\n"),
        (b"A: b\r\rone\rtwo", b"A: b\r\n\r\none\r\n"),
    ],
)
def test_top_finds_the_end_of_any_header(text: bytes, top: bytes) -> None:
    session = Loopback(lambda channel: serve_pop3(channel, Maildrop(Mailbox([text])), LOGINS))
    session.feed(b"USER joe\r\nPASS sesame\r\n")
    session.output.clear()
    session.feed(b"TOP 1 1\r\n")
    assert bytes(session.output) == b"+OK\r\n" + top + b".\r\n"


def test_an_imap_session_is_notified_of_messages_deleted_by_pop3() -> None:
    box = Mailbox([b"a", b"b"])
    view = View(box)
    session = Loopback(lambda channel: serve_pop3(channel, Maildrop(box), LOGINS))
    session.feed(b"USER joe\r\nPASS sesame\r\nDELE 1\r\nQUIT\r\n")
    assert view.catch_up(expunged=True).removed == [(1, 1)]


def test_one_session_at_a_time_can_open_the_maildrop() -> None:
    drop = maildrop()
    first = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS))
    first.feed(b"USER joe\r\nPASS sesame\r\n")
    second = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS))
    second.feed(b"USER joe\r\nPASS sesame\r\nSTAT\r\n")
    assert b"-ERR [IN-USE]" in second.output
    assert b"-ERR not allowed in state authorization" in second.output
    # The refused session does not release the maildrop of the other one.
    second.end()
    assert drop.busy
    first.end()
    assert not drop.busy
    assert first.over
    third = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS))
    third.feed(b"USER joe\r\nPASS sesame\r\n")
    assert b"+OK 3 messages" in third.output


# The maildrop


def test_sizes_and_unique_ids_of_all_messages_and_of_one() -> None:
    drop = maildrop()
    sizes, size, names, name, none = served(
        drop, pop3.List(), pop3.List(2), pop3.Uidl(), pop3.Uidl(3), pop3.List(4)
    )
    assert sizes[:-1] == [pop3.Listed(number, len(text(number))) for number in (1, 2, 3)]
    assert size[0] == pop3.Listed(2, len(text(2)))
    assert names[:-1] == [
        pop3.UniqueId(1, b"7.1"),
        pop3.UniqueId(2, b"7.2"),
        pop3.UniqueId(3, b"7.3"),
    ]
    assert name[0] == pop3.UniqueId(3, b"7.3")
    assert one(none).text == b"no such message"


def test_an_empty_maildrop_has_empty_listings() -> None:
    stat, sizes, names, last = served(
        maildrop(0), pop3.Stat(), pop3.List(), pop3.Uidl(), pop3.Last()
    )
    assert stat[0] == pop3.Counted(0, 0)
    assert one(sizes).positive
    assert one(names).positive
    assert last[0] == pop3.LastRead(0)


def test_messages_are_sent_as_stored() -> None:
    texts = served(maildrop(), pop3.Retrieve(1), pop3.Retrieve(3), pop3.Retrieve(1))
    assert [body(events) for events in texts] == [text(1), text(3), text(1)]


def test_top_sends_the_header_and_the_requested_lines() -> None:
    answers = served(maildrop(), *(pop3.Top(1, lines) for lines in (0, 1, 2, 3, 99)), pop3.Last())
    header = b"Subject: 1\r\n\r\n"
    assert [body(events) for events in answers[:-1]] == [
        header,
        header + b"hello\r\n",
        header + b"hello\r\n.\r\n",
        text(1),
        text(1),
    ]
    # TOP does not count as reading.
    assert answers[-1][0] == pop3.LastRead(0)


@pytest.mark.parametrize(
    ("stored", "lines", "top"),
    [
        (b"a: b\r\n", 5, b"a: b\r\n"),
        (b"a: b\r\n\r\nx\r\ny", 2, b"a: b\r\n\r\nx\r\ny"),
        (b"a: b\r\n\r\nx\r\ny", 1, b"a: b\r\n\r\nx\r\n"),
        (b"", 1, b""),
    ],
)
def test_the_first_lines_of_a_short_message_are_all_its_lines(
    stored: bytes, lines: int, top: bytes
) -> None:
    assert b"".join(first_lines([stored], lines)) == top
    pieces = [stored[n : n + 1] for n in range(len(stored))]
    assert b"".join(first_lines(pieces, lines)) == top


def test_the_last_message_read_is_the_highest() -> None:
    *_, last = served(maildrop(), pop3.Retrieve(2), pop3.Retrieve(1), pop3.Last())
    assert last[0] == pop3.LastRead(2)


def test_a_deleted_message_is_not_listed_and_cannot_be_read() -> None:
    drop = maildrop()
    _, stat, sizes, names, *refused = served(
        drop,
        pop3.Delete(2),
        pop3.Stat(),
        pop3.List(),
        pop3.Uidl(),
        pop3.Retrieve(2),
        pop3.Top(2, 0),
        pop3.List(2),
        pop3.Uidl(2),
        pop3.Delete(2),
    )
    assert stat[0] == pop3.Counted(2, 2 * len(text(1)))
    assert [listed.number for listed in sizes[:-1]] == [1, 3]
    assert [unique.number for unique in names[:-1]] == [1, 3]
    assert [one(events).text for events in refused] == [b"no such message"] * 5


def test_only_quit_deletes() -> None:
    drop = maildrop()
    served(drop, pop3.Delete(1), pop3.Delete(3))
    assert uids(drop) == [1, 2, 3]
    served(drop, pop3.Delete(1), pop3.Delete(3), pop3.Quit())
    assert uids(drop) == [2]
    assert not drop.busy


def test_the_server_closes_the_connection_after_quit() -> None:
    drop = maildrop()
    session = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS))
    session.feed(b"USER joe\r\nPASS sesame\r\nDELE 1\r\nQUIT\r\nDELE 2\r\n")
    assert session.over
    assert not drop.busy
    assert uids(drop) == [2, 3]


def test_reset_undeletes_the_messages() -> None:
    drop = maildrop()
    _, _, stat, _ = served(drop, pop3.Delete(1), pop3.Reset(), pop3.Stat(), pop3.Quit())
    assert stat[0] == pop3.Counted(3, 3 * len(text(1)))
    assert uids(drop) == [1, 2, 3]


def test_a_message_that_arrives_during_a_session_is_listed_in_the_next_one() -> None:
    drop = maildrop(1)
    session = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS))
    session.feed(b"USER joe\r\nPASS sesame\r\n")
    drop.mailbox.append(text(2))
    session.feed(b"STAT\r\nDELE 2\r\nDELE 1\r\nQUIT\r\n")
    assert b"+OK 1 %d\r\n-ERR no such message\r\n" % len(text(1)) in session.output
    assert uids(drop) == [2]


def test_only_the_named_message_of_several_with_the_same_unique_id_is_deleted() -> None:
    drop = maildrop(0)
    drop.mailbox.messages = [
        Message(1, len(text(number)), lambda number=number: (text(number),))  # type: ignore[misc]  # each its own
        for number in (1, 2)
    ]
    names, *_ = served(drop, pop3.Uidl(), pop3.Delete(1), pop3.Quit())
    assert names[:-1] == [pop3.UniqueId(1, b"7.1"), pop3.UniqueId(2, b"7.1")]
    assert [message.text for message in drop.mailbox.messages] == [text(2)]


@pytest.mark.parametrize("command", [pop3.Lang(), pop3.Lang(b"de"), pop3.Envelope(1)])
def test_unsupported_commands_are_refused(command: pop3.Command) -> None:
    [events] = served(maildrop(), command)
    assert not one(events).positive


def test_utf8_is_refused() -> None:
    [events] = talk(maildrop(), pop3.Utf8())
    assert not one(events).positive


def test_quit_before_the_login_changes_nothing() -> None:
    drop = maildrop()
    [events] = talk(drop, pop3.Quit())
    assert one(events).positive
    assert uids(drop) == [1, 2, 3]


def test_invalid_commands_are_refused_and_the_session_continues() -> None:
    session = Loopback(lambda channel: serve_pop3(channel, maildrop(), LOGINS))
    session.feed(b"XYZZY\r\nSTAT\r\nUSER joe\r\nPASS sesame\r\nRETR 0\r\nRETR x\r\nNOOP\r\n")
    assert [line[:4] for line in session.output.splitlines()] == [
        *(b"+OK ", b"-ERR", b"-ERR", b"+OK", b"+OK ", b"-ERR", b"-ERR", b"+OK"),
    ]


# TLS


def capabilities(events: list[Any]) -> dict[bytes, bytes]:
    return dict(events[0].names)


def test_every_announced_capability_is_available() -> None:
    [events] = talk(maildrop(), pop3.Capa(), logins=Logins({}, lambda: b"nonce"))
    announced = capabilities(events)
    assert announced.pop(b"SASL") == b"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
    assert announced.keys() == {
        *(b"TOP", b"UIDL", b"PIPELINING", b"RESP-CODES", b"AUTH-RESP-CODE", b"USER"),
    }


def test_tls_is_offered_once_and_not_inside_itself() -> None:
    channels: list[Channel[pop3.Server]] = []

    async def secure() -> None:
        channels[0].tls = True

    def serve(channel: Channel[pop3.Server]) -> Session:
        channels.append(channel)
        return serve_pop3(channel, maildrop(), LOGINS, secure=secure)

    async def story() -> list[Any]:
        channel = Channel("server", pop3.Client())
        await Open(channel, HERE, 60)
        await next_event(channel, 60)
        offered = b"STLS" in capabilities(await ask(channel, pop3.Capa()))
        granted = await ask(channel, pop3.StartTls())
        channel.machine.tls_started()
        still = b"STLS" in capabilities(await ask(channel, pop3.Capa()))
        ended = [(await ask(channel, command))[-1].positive for command in LOGIN]
        return [offered, *granted, still, *ended]

    world = Simulation()
    world.listen(HERE, pop3.Server, serve)
    assert world.run(story()) == [True, pop3.TlsReady(pop3.StartTls()), False, True, True]
    inside = Loopback(lambda channel: serve_pop3(channel, maildrop(), LOGINS, secure=secure))
    inside.channel.tls = True
    inside.feed(b"STLS\r\n")
    assert inside.output.endswith(b"-ERR no TLS here\r\n")


def test_tls_is_offered_only_before_the_login() -> None:
    async def secure() -> None:
        raise TlsFailed("no")

    [before] = talk(maildrop(), pop3.Capa(), secure=secure)
    [after] = served(maildrop(), pop3.Capa(), secure=secure)
    assert capabilities(before).keys() - capabilities(after).keys() == {b"STLS"}


def test_a_failed_handshake_ends_the_session() -> None:
    async def secure() -> None:
        raise TlsFailed("no")

    session = Loopback(lambda channel: serve_pop3(channel, maildrop(), LOGINS, secure=secure))
    session.feed(b"STLS\r\n")
    assert session.over
    assert session.output.endswith(b"+OK begin TLS now\r\n")


def test_stls_without_a_certificate_is_refused() -> None:
    [events] = talk(maildrop(), pop3.StartTls())
    assert one(events).text == b"no TLS here"


# Misbehaviour


@pytest.mark.parametrize("octets", [0, 1, 10, len(text(2)) - 1, len(text(2))])
def test_it_can_close_the_connection_inside_or_right_after_a_text(octets: int) -> None:
    drop = maildrop()
    wrong = Misbehaviour(cut={2: octets})
    with pytest.raises(ConnectionLost, match="inside message RETR 2"):
        served(drop, pop3.Delete(1), pop3.Retrieve(3), pop3.Retrieve(2), misbehaviour=wrong)
    assert uids(drop) == [1, 2, 3]
    assert not drop.busy


def test_a_cut_counts_through_the_chunks_of_a_text() -> None:
    drop = maildrop(0)
    drop.mailbox.append_chunks(30, lambda: (b"0123456789",) * 3)
    wrong = Misbehaviour(cut={1: 15})
    session = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS, wrong))
    session.feed(b"USER joe\r\nPASS sesame\r\nRETR 1\r\nNOOP\r\n")
    assert session.over
    assert session.output.endswith(b"+OK\r\n012345678901234")


def test_it_can_refuse_to_send_a_message() -> None:
    wrong = Misbehaviour(refuse={2})
    good, bad, top = served(
        maildrop(), pop3.Retrieve(1), pop3.Retrieve(2), pop3.Top(2, 0), misbehaviour=wrong
    )
    assert body(good) == text(1)
    assert one(bad).text == one(top).text == b"this message cannot be read"


def test_it_can_fall_silent() -> None:
    with pytest.raises(TimedOut):
        served(maildrop(), pop3.Noop(), pop3.List(), misbehaviour=Misbehaviour(silent={pop3.List}))


def test_it_can_hang_up_at_a_command() -> None:
    drop = maildrop()
    wrong = Misbehaviour(hang_up={pop3.Quit})
    with pytest.raises(ConnectionLost, match="QUIT was unanswered"):
        served(drop, pop3.Delete(1), pop3.Quit(), misbehaviour=wrong)
    assert uids(drop) == [1, 2, 3]


@pytest.mark.parametrize(
    ("capability", "command"),
    [(b"UIDL", pop3.Uidl()), (b"UIDL", pop3.Uidl(1)), (b"TOP", pop3.Top(1, 0))],
)
def test_it_can_omit_a_capability(capability: bytes, command: pop3.Command) -> None:
    wrong = Misbehaviour(without={capability})
    capa, events = served(maildrop(), pop3.Capa(), command, misbehaviour=wrong)
    assert capability not in capabilities(capa)
    assert not one(events).positive


@pytest.mark.parametrize(
    ("capability", "command"),
    [
        (b"USER", pop3.User(b"joe")),
        (b"SASL", pop3.Authenticate(b"PLAIN", Secret(b"\0joe\0sesame"))),
        (b"STLS", pop3.StartTls()),
    ],
)
def test_it_can_omit_a_login_method(capability: bytes, command: pop3.Command) -> None:
    async def secure() -> None:
        raise AssertionError("a handshake for nothing")

    wrong = Misbehaviour(without={capability})
    capa, events = talk(maildrop(), pop3.Capa(), command, misbehaviour=wrong, secure=secure)
    assert capability not in capabilities(capa)
    assert not one(events).positive


# End of the session


def test_an_inactive_client_is_disconnected() -> None:
    async def story() -> tuple[Any, float]:
        channel = Channel("server", pop3.Client())
        await Open(channel, HERE, 60)
        await next_event(channel, 60)
        began = await Now()
        return await next_event(channel, 2 * INACTIVITY_TIMEOUT), await Now() - began

    world = Simulation()
    world.listen(HERE, pop3.Server, lambda channel: serve_pop3(channel, maildrop(), LOGINS))
    event, seconds = world.run(story())
    assert event == pop3.Closed()
    assert INACTIVITY_TIMEOUT - 1 < seconds < INACTIVITY_TIMEOUT + 1


def test_a_client_that_sends_too_much_is_disconnected_and_nothing_is_deleted() -> None:
    drop = maildrop()
    session = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS))
    session.feed(b"USER joe\r\nPASS sesame\r\nDELE 1\r\n" + b"x" * 100_000)
    assert session.over
    assert uids(drop) == [1, 2, 3]
    assert not drop.busy


def test_a_client_that_does_not_read_is_disconnected() -> None:
    drop = maildrop(0)
    drop.mailbox.append_chunks(10**9, lambda: (b"x" * 100_000 for _ in range(10_000)))
    channel = Channel("client", pop3.Server())
    flow = serve_pop3(channel, drop, LOGINS)
    channel.machine.receive_data(b"USER joe\r\nPASS sesame\r\nRETR 1\r\n")
    request = flow.send(None)
    assert isinstance(request, Wait)
    assert channel.machine.unsent <= CONGESTED + 200_000
    assert isinstance(flow.throw(TimedOut(INACTIVITY_TIMEOUT)), Close)
    assert not drop.busy
    flow.close()


@pytest.mark.parametrize("command", [b"RETR 1", b"TOP 1 99999999"])
def test_a_huge_message_is_generated_while_it_is_sent(command: bytes) -> None:
    size, chunk = 50_000_000, b"x" * 100_000
    drop = maildrop(0)
    drop.mailbox.append_chunks(size, lambda: (chunk for _ in range(size // len(chunk))))
    session = Loopback(lambda channel: serve_pop3(channel, drop, LOGINS))
    session.keep = False
    session.feed(b"USER joe\r\nPASS sesame\r\n%b\r\n" % command)
    assert session.said > size
    assert session.most_held <= CONGESTED + len(chunk) + 1000


# The client of the standard library


class Loopback:
    """A session without a runtime: the test feeds its input."""

    def __init__(self, serve: Callable[[Channel[pop3.Server]], Session]) -> None:
        self.channel = Channel("client", pop3.Server())
        self.output = bytearray()
        self.keep = True
        self.said = 0
        self.most_held = 0
        self.over = False
        self._flow = serve(self.channel)
        self._go_on()

    def feed(self, data: bytes) -> None:
        self.channel.machine.receive_data(data)
        self._go_on()

    def end(self) -> None:
        self.channel.machine.receive_eof()
        self._go_on()

    def _go_on(self) -> None:
        """Run until the flow waits for more input; collect all its output."""
        while not self.over:
            request: Any = None
            try:
                request = self._flow.send(None)
            except StopIteration:
                self.over = True
            else:
                assert isinstance(request, Wait | Close)
            self.most_held = max(self.most_held, self.channel.machine.unsent)
            said = b"".join(self.channel.machine.data_to_send())
            self.said += len(said)
            if self.keep:
                self.output += said
            if not said and not self.over and isinstance(request, Wait):
                return

    # The socket and file methods that poplib uses

    def makefile(self, mode: str) -> Loopback:
        return self

    def readline(self, size: int) -> bytes:
        end = self.output.find(b"\n") + 1
        line = bytes(self.output[:end])
        del self.output[:end]
        return line

    def sendall(self, data: bytes) -> None:
        self.feed(data)

    def shutdown(self, how: int) -> None:
        self.end()

    def close(self) -> None:
        pass


class InMemory(poplib.POP3):
    """The POP3 client of the standard library on a session in memory."""

    def __init__(self, session: Loopback) -> None:
        self.session = session
        super().__init__("mail.example.org")

    def _create_socket(self, timeout: float | None) -> Any:
        return self.session


def test_the_client_of_the_standard_library_can_poll_it() -> None:
    drop = maildrop()
    client = InMemory(Loopback(lambda channel: serve_pop3(channel, drop, LOGINS)))
    assert client.capa()["SASL"] == ["PLAIN", "LOGIN"]
    client.user("joe")
    assert client.pass_("sesame") == b"+OK 3 messages"
    assert client.stat() == (3, 3 * len(text(1)))
    assert client.list()[1] == [b"%d %d" % (number, len(text(1))) for number in (1, 2, 3)]
    assert client.uidl()[1] == [b"1 7.1", b"2 7.2", b"3 7.3"]
    assert client.uidl("2") == b"+OK 2 7.2"
    assert client.retr(2)[1] == text(2).splitlines()
    assert client.top(2, 1)[1] == [b"Subject: 2", b"", b"hello"]
    client.dele(2)
    with pytest.raises(poplib.error_proto, match="no such message"):
        client.retr(2)
    client.rset()
    client.dele(3)
    client.quit()
    assert uids(drop) == [1, 2]


def test_the_client_of_the_standard_library_can_use_apop() -> None:
    drop = maildrop()
    client = InMemory(
        Loopback(lambda channel: serve_pop3(channel, drop, LOGINS, timestamp=TIMESTAMP))
    )
    assert client.apop("joe", "sesame") == b"+OK 3 messages"
