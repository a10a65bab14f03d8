"""The exact limits of an IMAP server, and the details of its replies."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded, RemoteProtocolError
from mailhaul.protocols.imap.commands import Login, Noop
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Closed,
    Code,
    Completed,
    Condition,
    Fetched,
    Greeted,
    SaidBye,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, NeedData
from tests.shown_lines import ShownLines

TIGHT = Limits(response_line=30, literal=10)


def greeted(limits: Limits = TIGHT) -> ImapServer:
    server = ImapServer(limits)
    server.send(Greeted(False))
    server.data_to_send()
    return server


def heard(server: ImapServer, data: bytes) -> object:
    server.receive_data(data)
    return server.next_event()


def said(server: ImapServer) -> bytes:
    return b"".join(server.data_to_send())


def test_a_command_may_be_as_long_as_both_limits_together() -> None:
    first = b"a LOGIN {10+}\r\n" + b"u" * 10
    longest = b' "' + b"p" * 14 + b'"\r\n'
    assert isinstance(heard(greeted(), first + longest), Login)
    with pytest.raises(LimitExceeded, match=r"^command exceeds the limit of 40\b"):
        heard(greeted(), first + b' "' + b"p" * 15 + b'"\r\n')


def test_each_command_is_measured_by_itself() -> None:
    server = greeted()
    for _ in range(5):
        command = heard(server, b"a LOGIN {10+}\r\nuuuuuuuuuu {10+}\r\npppppppppp\r\n")
        assert isinstance(command, Login)
        server.send(Completed(command, Condition.NO))


def test_a_literal_has_a_length_limit() -> None:
    server = greeted()
    assert heard(server, b"a LOGIN {10}\r\n") is NEED_DATA
    assert said(server) == b"+ go ahead\r\n"
    with pytest.raises(LimitExceeded, match=r"^literal exceeds the limit of 10\b"):
        heard(greeted(), b"a LOGIN {11+}\r\n")


def test_a_literal_that_is_too_large_is_refused_before_it_comes() -> None:
    server = greeted()
    assert heard(server, b"a LOGIN {11}\r\n") is NEED_DATA
    assert said(server) == b"a BAD [TOOBIG] the literal is too large\r\n"
    assert heard(server, b"b NOOP\r\n") == Noop()


def test_many_literals_are_too_large_together() -> None:
    server = greeted()
    server.receive_data(b"a ID {10}\r\n" + b"x" * 10 + b" {10}\r\n" + b"x" * 10 + b" {10}\r\n")
    assert server.next_event() is NEED_DATA
    assert said(server).endswith(b"+ go ahead\r\na BAD [TOOBIG] the literal is too large\r\n")


def test_a_command_line_has_a_limit_with_a_name() -> None:
    with pytest.raises(
        RemoteProtocolError, match=r"^command line exceeds the limit of 30\b"
    ) as caught:
        heard(greeted(), b"a" * 31)
    assert caught.value.state == "not-authenticated"


def test_an_empty_literal_is_an_empty_string() -> None:
    command = heard(greeted(), b"a LOGIN {0+}\r\n {0+}\r\n\r\n")
    assert isinstance(command, Login)
    assert (command.user, command.password.reveal()) == (b"", b"")


@pytest.mark.parametrize("tag", [b"X", b"aX1", b"A.1", b"-", b"[", b"]"])
def test_a_tag_is_made_of_almost_anything(tag: bytes) -> None:
    assert heard(greeted(), tag + b" NOOP\r\n") == Noop()


@pytest.mark.parametrize("byte", [bytes([byte]) for byte in b'+*(){%"\\'])
def test_a_tag_has_no_special_characters(byte: bytes) -> None:
    server = greeted()
    assert heard(server, b"a" + byte + b" NOOP\r\n") is NEED_DATA
    assert said(server) == b"* BAD a command has a tag and a name\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"a", b"a BAD a command has a tag and a name"),
        (b"a  NOOP", b"a BAD a command has a tag and a name"),
        (b"a NOOP x", b"a BAD this command takes no argument"),
        (b"a LOGIN x", b"a BAD an argument is missing"),
        (b"a LOGIN x ", b"a BAD a password is expected"),
        (b"a LOGIN  x y", b"a BAD a user is expected"),
        (b"a LOGIN x  y", b"a BAD a password is expected"),
        (b'a LOGIN x "y', b"a BAD a password is expected"),
        (rb'a LOGIN x "\y"', b"a BAD a password is expected"),
        (b"a LOGIN x y\rz", b"a BAD a bare CR or a NUL in a command"),
        (b'a LOGIN x "\0"', b"a BAD a bare CR or a NUL in a command"),
        (b"a LOGIN ((x)) y", b"a BAD a user is expected"),
        (b"a LOGIN ((((x)))) y", b"a BAD a user is expected"),
        (b"a LOGIN x y z", b"a BAD unexpected text after the last argument"),
        (b"a FETCH x y", b"a BAD a set of numbers is expected"),
        (b"a UID UID FETCH 1 FLAGS", b"a BAD this command has no UID form"),
        (b"a FETCH 1", b"a BAD an argument is missing"),
        (b"a FROB 1", b"a BAD unknown command"),
    ],
)
def test_a_bad_command_gets_a_reason(line: bytes, answer: bytes) -> None:
    server = greeted()
    heard(server, line + b"\r\n")
    assert said(server) == answer + b"\r\n"


def test_a_bye_has_its_code_and_a_preauth_its_word() -> None:
    server = ImapServer()
    server.send(Greeted(True, Code(b"CAPABILITY", b"IMAP4rev1"), b"hi"))
    server.send(SaidBye(Code(b"UNAVAILABLE"), b"later"))
    assert said(server) == b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n* BYE [UNAVAILABLE] later\r\n"


def test_a_text_of_a_message_without_uid_opens_the_response() -> None:
    server = greeted()
    server.send(BodyStart(7, None, b"", 1))
    server.send(BodyChunk(b"x"))
    server.send(BodyEnd())
    server.send(Fetched(7, flags=(b"\\Seen", b"\\Deleted")))
    assert said(server) == b"* 7 FETCH (BODY[] {1}\r\nx FLAGS (\\Seen \\Deleted))\r\n"


def test_no_password_is_traced() -> None:
    shown: list[bytes] = []
    server = ImapServer(tap=ShownLines(lambda direction, line: shown.append(line)))
    server.send(Greeted(False))
    heard(server, b"a LOGIN joe LOGIN-secret\r\n")
    assert shown[-1] == b"a LOGIN *"


def test_the_end_is_reported_once() -> None:
    server = greeted()
    server.receive_eof()
    assert server.next_event() == Closed()
    assert isinstance(server.next_event(), NeedData)
