"""Hostile servers: floods, absurd numbers, mail that was not requested, and tricks.

Each poll ends in bounded time and memory, with one clear line and the right exit code, and what
was delivered is what was asked for.
"""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.adapters.login.access import TlsMode
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows import ferry
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed

from .world import SOURCE, Script, Speaker, World, flooding, hear_line

MOST_MEMORY = 48 * 1024 * 1024
"""The octets of a flood that a poll may hold: one command's untagged data, and data in flight."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fail if more memory was in use at any moment than a flood may take."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def failure(world: World, kind: type[ImapSource] | type[Pop3Source]) -> PollFailed:
    with pytest.raises(PollFailed) as failed:
        world.poll(kind)
    assert str(failed.value).startswith(("server: ", "Authorization failure on joe@server: "))
    assert "\n" not in str(failed.value)
    return failed.value


LONG = b"x" * 60_000
IMAP_LOGIN = b"* OK [CAPABILITY IMAP4rev1] x\r\n"
DEEP = b"* 1 FETCH (BODYSTRUCTURE " + b"(" * 30_000
FLOODS: dict[str, tuple[type[ImapSource] | type[Pop3Source], Script, str]] = {
    "IMAP: a greeting without end": (
        ImapSource,
        flooding(b"* OK ", b"x"),
        "exceeds the limit",
    ),
    "IMAP: a greeting without a line": (
        ImapSource,
        flooding(b"", b"\0"),
        "limit|greeting|no IMAP|neither",
    ),
    "IMAP: remarks before any answer": (
        ImapSource,
        flooding(IMAP_LOGIN, b"* OK " + LONG + b"\r\n"),
        "untagged data for one command exceeds the limit",
    ),
    "IMAP: lists that nobody asked for": (
        ImapSource,
        flooding(IMAP_LOGIN, b"* LIST () NIL {50000}\r\n" + b"y" * 50_000 + b"\r\n"),
        "exceeds the limit",
    ),
    "IMAP: parentheses": (ImapSource, flooding(IMAP_LOGIN, DEEP), "exceeds the limit"),
    "IMAP: capabilities": (
        ImapSource,
        flooding(b"* OK x\r\n", b"* CAPABILITY" + b" X" * 25_000 + b"\r\n"),
        "exceeds the limit",
    ),
    "IMAP: good-byes": (ImapSource, flooding(b"", b"* BYE no\r\n"), "refuses the connection"),
    "POP3: a greeting without end": (Pop3Source, flooding(b"+OK ", b"x"), "exceeds the limit"),
    "POP3: good-byes": (Pop3Source, flooding(b"", b"-ERR no\r\n"), "refuses the connection"),
    "POP3: capabilities": (
        Pop3Source,
        flooding(b"+OK\r\n+OK\r\n", b"X\r\n"),
        "exceeds the limit|unexpected reply",
    ),
}


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(("kind", "script", "words"), FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_at_its_limit(
    world: World, kind: type[ImapSource] | type[Pop3Source], script: Script, words: str
) -> None:
    world.simulation.listen(SOURCE, Speaker, script)

    failed = failure(world, kind)

    assert failed.code in {ExitCode.PROTOCOL, ExitCode.SOCKET, ExitCode.AUTHFAIL}
    assert re.search(words, str(failed))
    assert world.simulation.now < 60


# Numbers


def imap_answers(**answers: bytes) -> Script:
    """An IMAP server with one message and some given replies. ``TAG`` stands for the tag."""
    text = b"From: a@example.org\r\nSubject: mine\r\n\r\nMine.\r\n"
    known = {
        "login": b"TAG OK\r\n",
        "select": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK [READ-WRITE] x\r\n",
        "search": b"* SEARCH 7\r\nTAG OK\r\n",
        "sizes": b"* 1 FETCH (UID 7 RFC822.SIZE %d)\r\nTAG OK\r\n" % len(text),
        "text": b"* 1 FETCH (UID 7 RFC822.SIZE %d BODY[] {%d}\r\n%b)\r\nTAG OK\r\n"
        % (len(text), len(text), text),
        "logout": b"* BYE x\r\nTAG OK\r\n",
        **answers,
    }

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(known.get("greeting", b"* OK [CAPABILITY IMAP4rev1 UIDPLUS] x\r\n"))
        while not channel.machine.ended:
            tag, _, rest = (await hear_line(channel)).strip().partition(b" ")
            words = rest.lower().decode().split() or ["nothing"]
            key = words[1] if words[0] == "uid" else words[0]
            if key == "fetch":
                key = "text" if "body.peek[]" in rest.decode().lower() else "sizes"
            channel.machine.say(known.get(key, b"TAG OK\r\n").replace(b"TAG", tag))

    return serve


ORDERLY = (
    "SUCCESS",
    "NOMAIL",
    "ERROR",
    "SMTP",
    "server: ",
    "Authorization failure on joe@server: ",
)


def outcome(world: World, kind: type[ImapSource] | type[Pop3Source]) -> str:
    """Return the name of the exit code, or the error message."""
    try:
        return world.poll(kind).name
    except PollFailed as failed:
        return str(failed)


def subjects(world: World) -> list[bytes]:
    texts = [message.text for message in world.received.messages]
    return [text.partition(b"Subject: ")[2].partition(b"\r\n")[0] for text in texts]


def fetch(uid: bytes, subject: bytes, octets: bytes = b"") -> bytes:
    text = b"From: a@example.org\r\nSubject: " + subject + b"\r\n\r\nText.\r\n"
    return b"* 1 FETCH (UID %b RFC822.SIZE 9 BODY[] {%b}\r\n%b)\r\n" % (
        *(uid, octets or b"%d" % len(text), text),
    )


HUGE = b"9" * 19
WILD: dict[str, tuple[dict[str, bytes], list[bytes]]] = {
    "as it should be": ({}, [b"mine"]),
    "EXISTS of all that 32 bits hold": (
        {"select": b"* 4294967295 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK\r\n"},
        [b"mine"],
    ),
    "EXISTS of 30 digits": ({"select": b"* " + b"9" * 30 + b" EXISTS\r\nTAG OK\r\n"}, []),
    "EXISTS below nothing": ({"select": b"* -1 EXISTS\r\nTAG OK\r\n"}, [b"mine"]),
    "no EXISTS": ({"select": b"TAG OK\r\n"}, [b"mine"]),
    "EXISTS of nothing": ({"select": b"* 0 EXISTS\r\nTAG OK\r\n"}, []),
    "more expunged than there were": (
        {"search": b"* 1 EXPUNGE\r\n" * 99 + b"* SEARCH 7\r\nTAG OK\r\n"},
        [b"mine"],
    ),
    "a UID of nothing": ({"search": b"* SEARCH 0\r\nTAG OK\r\n"}, []),
    "a UID below nothing": ({"search": b"* SEARCH -7\r\nTAG OK\r\n"}, []),
    "a UID beyond 64 bits": ({"search": b"* SEARCH 18446744073709551616\r\nTAG OK\r\n"}, []),
    "a UID of 63 bits": ({"search": b"* SEARCH 9223372036854775807\r\nTAG OK\r\n"}, []),
    "the same UID a thousand times": (
        {"search": b"* SEARCH" + b" 7" * 1000 + b"\r\nTAG OK\r\n"},
        [b"mine"],
    ),
    "a size below nothing": (
        {"sizes": b"* 1 FETCH (UID 7 RFC822.SIZE -5)\r\nTAG OK\r\n"},
        [b"mine"],
    ),
    "a size of exabytes": (
        {"sizes": b"* 1 FETCH (UID 7 RFC822.SIZE %b)\r\nTAG OK\r\n" % HUGE},
        [b"mine"],
    ),
    "a text of exabytes": ({"text": fetch(b"7", b"mine", HUGE) + b"TAG OK\r\n"}, []),
    "a text of a negative length": ({"text": fetch(b"7", b"mine", b"-1") + b"TAG OK\r\n"}, []),
    "the text of another message": ({"text": fetch(b"8", b"other") + b"TAG OK\r\n"}, []),
    "another's text, then ours": (
        {"text": fetch(b"8", b"other") + fetch(b"7", b"mine") + b"TAG OK\r\n"},
        [b"mine"],
    ),
    "the same text twice": (
        {"text": fetch(b"7", b"mine") + fetch(b"7", b"again") + b"TAG OK\r\n"},
        [],
    ),
    "a text that nobody asked for": (
        {"search": fetch(b"7", b"unasked") + b"* SEARCH 7\r\nTAG OK\r\n"},
        [b"mine"],
    ),
    "a mailbox that can only be read": (
        {"select": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK [READ-ONLY] x\r\n"},
        [],
    ),
    "no UIDVALIDITY": ({"select": b"* 1 EXISTS\r\nTAG OK\r\n"}, [b"mine"]),
    "a UIDVALIDITY of 30 digits": (
        {"select": b"* 1 EXISTS\r\n* OK [UIDVALIDITY %b] x\r\nTAG OK\r\n" % (b"9" * 30)},
        [],
    ),
    "a UIDVALIDITY of 5000 digits": (
        {"select": b"* 1 EXISTS\r\n* OK [UIDVALIDITY %b] x\r\nTAG OK\r\n" % (b"9" * 5000)},
        [],
    ),
    "COPYUID out of nothing": (
        {"search": b"* OK [COPYUID 1 9:1 x,,] x\r\n* SEARCH 7\r\nTAG OK\r\n"},
        [b"mine"],
    ),
    "an alert of a megabyte": (
        {"search": (b"* OK [ALERT] \x1b[2J" + LONG + b"\r\n") * 17 + b"* SEARCH 7\r\nTAG OK\r\n"},
        [b"mine"],
    ),
    "a login referral": ({"login": b"TAG NO [REFERRAL imap://evil/] go there\r\n"}, []),
    "a mailbox referral": ({"select": b"TAG NO [REFERRAL imap://evil/INBOX] x\r\n"}, []),
}


@pytest.mark.parametrize(("answers", "delivered"), WILD.values(), ids=WILD)
def test_only_requested_messages_are_delivered(
    world: World, answers: dict[str, bytes], delivered: list[bytes]
) -> None:
    world.simulation.listen(SOURCE, Speaker, imap_answers(**answers))

    said = outcome(world, ImapSource)

    assert subjects(world) == delivered
    assert (said == "SUCCESS") == bool(delivered)
    assert said.startswith(ORDERLY)


@pytest.mark.parametrize("greeting", [b"* PREAUTH hello\r\n", b"* OK [CAPABILITY IMAP4rev1] x\r\n"])
def test_if_tls_is_required_nothing_is_sent_unencrypted(world: World, greeting: bytes) -> None:
    """PREAUTH, and capabilities from which STARTTLS was removed (CVE-2021-39272)."""
    heard: list[bytes] = []

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(greeting)
        while line := await hear_line(channel):
            heard.append(line)
            tag = line.partition(b" ")[0]
            refused = b" BAD\r\n" if b"STARTTLS" in line else b" OK\r\n"
            channel.machine.say(b"* CAPABILITY IMAP4rev1\r\n" + tag + refused)

    world.simulation.listen(SOURCE, Speaker, serve)

    with pytest.raises(PollFailed) as failed:
        world.poll(tls=TlsMode.REQUIRED)

    assert failed.value.code is ExitCode.SOCKET
    verbs = {line.split()[1] for line in heard}
    assert verbs <= {b"CAPABILITY", b"STARTTLS", b"LOGOUT"}


# POP3


def pop3_answers(**answers: bytes) -> Script:
    """A POP3 server with one message and some given replies."""
    known = {
        "capa": b"+OK\r\nUIDL\r\nUSER\r\nTOP\r\n.\r\n",
        "stat": b"+OK 1 40\r\n",
        "list": b"+OK\r\n1 40\r\n.\r\n",
        "uidl": b"+OK\r\n1 abc\r\n.\r\n",
        "retr": b"+OK\r\nFrom: a@example.org\r\nSubject: mine\r\n\r\nMine.\r\n.\r\n",
        **answers,
    }

    async def serve(channel: Channel[Speaker]) -> None:
        channel.machine.say(known.get("greeting", b"+OK x\r\n"))
        while words := (await hear_line(channel)).lower().decode().split():
            key = "retr" if words[0] == "top" else words[0]
            channel.machine.say(known.get(key, b"+OK\r\n"))

    return serve


WILD_POP3: dict[str, tuple[dict[str, bytes], list[bytes]]] = {
    "as it should be": ({}, [b"mine"]),
    "STAT of 30 digits": ({"stat": b"+OK " + b"9" * 30 + b" 1\r\n"}, []),
    "STAT below nothing": ({"stat": b"+OK -1 -1\r\n"}, []),
    "STAT of exabytes": ({"stat": b"+OK 1 %b\r\n" % HUGE}, [b"mine"]),
    "STAT of four billion messages": ({"stat": b"+OK 4294967295 1\r\n"}, [b"mine"]),
    "a size below nothing": ({"list": b"+OK\r\n1 -40\r\n.\r\n"}, [b"mine"]),
    "a size of exabytes": ({"list": b"+OK\r\n1 %b\r\n.\r\n" % HUGE}, [b"mine"]),
    "a size of 30 digits": ({"list": b"+OK\r\n1 " + b"9" * 30 + b"\r\n.\r\n"}, [b"mine"]),
    "message 0": ({"list": b"+OK\r\n0 40\r\n.\r\n", "uidl": b"+OK\r\n0 abc\r\n.\r\n"}, []),
    "a unique id of 1000 octets": (
        {"uidl": b"+OK\r\n1 " + b"u" * 1000 + b"\r\n.\r\n"},
        [b"mine"],
    ),
    "a unique id that drives terminals": (
        {"uidl": b"+OK\r\n1 \x1b[2J\x9b\xff\r\n.\r\n"},
        [b"mine"],
    ),
    "a unique id without end": ({"uidl": b"+OK\r\n1 " + b"u" * 99_999 + b"\r\n.\r\n"}, []),
    "a list out of order": (
        {
            "stat": b"+OK 2 80\r\n",
            "list": b"+OK\r\n9 40\r\n1 40\r\n.\r\n",
            "uidl": b"+OK\r\n1 abc\r\n9 def\r\n.\r\n",
        },
        [b"mine", b"mine"],
    ),
    "a message listed twice": ({"list": b"+OK\r\n1 40\r\n1 40\r\n.\r\n"}, [b"mine"]),
    "a list of what STAT does not know": (
        {
            "list": b"+OK\r\n1 40\r\n2 40\r\n.\r\n",
            "uidl": b"+OK\r\n1 abc\r\n2 def\r\n.\r\n",
        },
        [b"mine", b"mine"],
    ),
    "unique ids of what LIST does not know": (
        {"uidl": b"+OK\r\n1 abc\r\n77 def\r\n.\r\n"},
        [b"mine"],
    ),
    "an answer too many": ({"stat": b"+OK 1 40\r\n+OK 1 40\r\n"}, []),
}


@pytest.mark.parametrize(("answers", "delivered"), WILD_POP3.values(), ids=WILD_POP3)
def test_pop3_delivers_only_requested_messages(
    world: World, answers: dict[str, bytes], delivered: list[bytes]
) -> None:
    world.simulation.listen(SOURCE, Speaker, pop3_answers(**answers))

    said = outcome(world, Pop3Source)

    assert subjects(world) == delivered
    assert (said == "SUCCESS") == bool(delivered)
    assert said.startswith(ORDERLY)


def test_an_endless_text_is_given_up_far_beyond_its_announced_size(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ferry, "MAX_GROWTH_OCTETS", 1024 * 1024)
    endless = b"+OK\r\nFrom: a@example.org\r\n\r\n" + b"On and on\r\n" * 300_000
    world.simulation.listen(SOURCE, Speaker, pop3_answers(retr=endless))

    with pytest.raises(PollFailed, match="1 message") as failed:
        world.poll(Pop3Source)

    assert failed.value.code is ExitCode.PROTOCOL
    assert world.received.messages == []
