"""A POP3 server parses command lines."""

from __future__ import annotations

import pytest

from mailhaul.protocols.pop3.client_lines import encode
from mailhaul.protocols.pop3.command_lines import BadSyntax, read_command
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

OPEN: list[Command] = [
    *(Capa(), StartTls(), User(b"joe"), User(b"joe at home"), Utf8(), Lang(), Lang(b"de"), Stat()),
    *(List(), List(3), Uidl(), Uidl(3), Top(3, 10), Top(3, 0), Retrieve(1), Delete(9_999_999_999)),
    *(Reset(), Noop(), Last(), Envelope(2), Quit(), Authenticate(b"CRAM-MD5")),
]


@pytest.mark.parametrize("command", OPEN, ids=repr)
def test_a_line_is_read_as_it_was_meant(command: Command) -> None:
    line, _ = encode(command, None)
    assert read_command(line) == command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"quit", Quit()),
        (b"Retr 2", Retrieve(2)),
        (b"QUIT  ", Quit()),
        (b"RETR  2 ", Retrieve(2)),
        (b"LIST ", List()),
        (b"uidl  ", Uidl()),
        (b"LANG ", Lang()),
        (b"LANG  * ", Lang(b"*")),
        (b"TOP  1  2 ", Top(1, 2)),
        (b"auth plain", Authenticate(b"PLAIN")),
        (b"USER two words", User(b"two words")),
        (b"*env 3", Envelope(3)),
    ],
)
def test_case_and_blanks_do_not_matter(line: bytes, command: Command) -> None:
    assert read_command(line) == command


def secret_of(command: Command) -> tuple[bytes, bytes]:
    match command:
        case Pass(password):
            return b"", password.reveal()
        case Apop(user, password):
            return user, password.reveal()
        case Authenticate(mechanism, initial) if initial is not None:
            return mechanism, initial.reveal()
        case _:
            raise AssertionError(command)


@pytest.mark.parametrize(
    ("line", "held"),
    [
        (b"PASS sesame", (b"", b"sesame")),
        (b"PASS  two words ", (b"", b" two words ")),
        (b"pass \xff", (b"", b"\xff")),
        (b"APOP joe c4c9334b", (b"joe", b"c4c9334b")),
        (b"APOP joe at home c4c9334b", (b"joe at home", b"c4c9334b")),
        (b"AUTH plain AGEAYg==", (b"PLAIN", b"\0a\0b")),
        (b"AUTH EXTERNAL =", (b"EXTERNAL", b"")),
    ],
)
def test_a_secret_is_read_and_hidden(line: bytes, held: tuple[bytes, bytes]) -> None:
    command = read_command(line)
    assert secret_of(command) == held
    assert isinstance(getattr(command, "password", getattr(command, "initial_response", 0)), Secret)


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b" ", b"XYZZY", b" QUIT", b"QUIT now", b"STAT 1", b"CAPA x", b"STLS x", b"LAST 1"),
        *(b"USER", b"USER ", b"PASS", b"PASS ", b"APOP", b"APOP joe", b"APOP joe ", b"APOP  x"),
        *(b"RETR", b"RETR ", b"RETR 0", b"RETR -1", b"RETR one", b"RETR 1 2", b"RETR 1.5"),
        *(b"DELE", b"DELE 0", b"*ENV", b"*ENV x", b"LIST 0", b"LIST x", b"UIDL 1 2", b"UIDL -1"),
        *(b"TOP", b"TOP 1", b"TOP 1 -1", b"TOP 0 1", b"TOP 1 2 3", b"TOP one 1", b"RETR \xb2"),
        *(b"AUTH", b"AUTH ", b"AUTH  ", b"AUTH PLAIN !", b"AUTH PLAIN YQ", b"AUTH PLAIN =="),
        *(b"RETR 10000000000", b"RETR " + b"9" * 5000, b"QUIT\0", b"\xff\xfe"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_malformed_command_is_bad_syntax(line: bytes) -> None:
    with pytest.raises(BadSyntax) as raised:
        read_command(line)
    # It is said to the client as it is.
    assert str(raised.value).isascii()
    assert str(raised.value).isprintable()


def test_every_number_of_ten_digits_is_read() -> None:
    assert read_command(b"RETR 9999999999") == Retrieve(9_999_999_999)
    assert read_command(b"TOP 1 0000000000") == Top(1, 0)
