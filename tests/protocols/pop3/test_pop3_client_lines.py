"""The exact octets of POP3 commands."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.pop3.client_lines import VERBS, describe, digest, encode, goes_along
from mailhaul.protocols.pop3.commands import (
    Apop,
    Capa,
    Command,
    Delete,
    Envelope,
    Lang,
    Last,
    List,
    Noop,
    Pass,
    Quit,
    Reset,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
    Utf8,
)
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.protocols.secret import Secret

TIMESTAMP = b"<1896.697170952@dbc.mtview.ca.us>"
SHOWN_AS_SENT: list[tuple[Command, bytes]] = [
    (Capa(), b"CAPA"),
    (StartTls(), b"STLS"),
    (User(b"joe"), b"USER joe"),
    (User(b"joe at home"), b"USER joe at home"),
    (Utf8(), b"UTF8"),
    (Lang(), b"LANG"),
    (Lang(b"de"), b"LANG de"),
    (Stat(), b"STAT"),
    (List(), b"LIST"),
    (List(3), b"LIST 3"),
    (Uidl(), b"UIDL"),
    (Uidl(3), b"UIDL 3"),
    (Top(3, 10), b"TOP 3 10"),
    (Top(3, 0), b"TOP 3 0"),
    (Top(3, -1), b"TOP 3 0"),
    (Retrieve(12345678901), b"RETR 12345678901"),
    (Delete(1), b"DELE 1"),
    (Reset(), b"RSET"),
    (Noop(), b"NOOP"),
    (Last(), b"LAST"),
    (Envelope(2), b"*ENV 2"),
    (Quit(), b"QUIT"),
    (Authenticate(b"CRAM-MD5"), b"AUTH CRAM-MD5"),
]
WITH_SECRETS: list[tuple[Command, bytes, bytes]] = [
    (Pass(Secret(b" two words ")), b"PASS  two words ", b"PASS *"),
    (
        Apop(b"mrose", Secret(b"tanstaaf")),
        b"APOP mrose c4c9334bac560ecc979e58001b3e22fb",
        b"APOP mrose *",
    ),
    (Authenticate(b"PLAIN", Secret(b"\0a\0b")), b"AUTH PLAIN AGEAYg==", b"AUTH PLAIN *"),
    (Authenticate(b"EXTERNAL", Secret(b"")), b"AUTH EXTERNAL =", b"AUTH EXTERNAL *"),
]


@pytest.mark.parametrize(("command", "line"), SHOWN_AS_SENT, ids=repr)
def test_a_command_without_secrets_is_traced_unchanged(command: Command, line: bytes) -> None:
    assert encode(command, None) == (line, line)


@pytest.mark.parametrize(("command", "line", "shown"), WITH_SECRETS, ids=repr)
def test_a_secret_is_sent_and_not_shown(command: Command, line: bytes, shown: bytes) -> None:
    assert encode(command, TIMESTAMP) == (line, shown)


def test_every_command_is_in_these_tables() -> None:
    assert {type(command) for command, *_ in [*SHOWN_AS_SENT, *WITH_SECRETS]} == VERBS.keys()


def test_the_digest_is_the_one_in_rfc_1939() -> None:
    assert digest(TIMESTAMP, b"tanstaaf") == b"c4c9334bac560ecc979e58001b3e22fb"


def test_without_a_timestamp_there_is_no_digest() -> None:
    with pytest.raises(LocalProtocolError, match="timestamp"):
        encode(Apop(b"mrose", Secret(b"tanstaaf")), None)


@pytest.mark.parametrize(
    "command",
    [
        *(User(b""), Pass(Secret(b"")), Apop(b"", Secret(b"x")), Apop(b"joe", Secret(b""))),
        *(User(b"joe\r\nDELE 1"), User(b"joe\n"), User(b"j\roe"), User(b"j\0oe")),
        *(Pass(Secret(b"x\r\nQUIT")), Pass(Secret(b"\0"))),
        *(Apop(b"joe doe", Secret(b"x")), Apop(b"joe", Secret(b"\n"))),
        *(Lang(b""), Lang(b"de en"), Lang(b"de\r")),
        *(Authenticate(b""), Authenticate(b"PLAIN x"), Authenticate(b"PLAIN\r\n")),
        *(Retrieve(0), Retrieve(-1), Delete(0), Envelope(0), List(0), Uidl(0), Top(0, 1)),
    ],
    ids=repr,
)
def test_an_invalid_argument_is_refused(command: Command) -> None:
    with pytest.raises(LocalProtocolError):
        encode(command, TIMESTAMP)


def test_an_initial_response_is_sent_with_auth_up_to_255_octets() -> None:
    assert not goes_along(Authenticate(b"PLAIN"))
    # "AUTH PLAIN " and CRLF are 13 octets: 242 are left, and base64 comes in fours.
    longest = Authenticate(b"PLAIN", Secret(b"x" * 180))
    line, _ = encode(longest, None)
    assert goes_along(longest)
    assert len(line) + 2 == 253
    too_long = Authenticate(b"PLAIN", Secret(b"x" * 181))
    assert not goes_along(too_long)
    assert encode(too_long, None) == (b"AUTH PLAIN", b"AUTH PLAIN")
    # With a name of one octet less and more, the line is 255 octets, and 259.
    assert goes_along(Authenticate(b"PLAIN-X", Secret(b"x" * 180)))
    assert not goes_along(Authenticate(b"PLAIN-XX", Secret(b"x" * 180)))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *((Retrieve(7), "RETR 7"), (List(), "LIST"), (List(2), "LIST 2"), (Top(4, 1), "TOP 4")),
        *((Envelope(1), "*ENV 1"), (Pass(Secret(b"x")), "PASS"), (User(b"joe"), "USER")),
    ],
)
def test_commands_are_named_without_what_is_private(command: Command, name: str) -> None:
    assert describe(command) == name
