"""SOCKS5: the messages of RFC 1928 and RFC 1929, each refusal, and what is never read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.machine import ERROR, NeedData
from mailhaul.protocols.proxy.address import SOCKS5, Proxy
from mailhaul.protocols.proxy.socks import REFUSALS, Socks5Client
from mailhaul.protocols.proxy.tunnel import Connected, NotConnected, Target
from mailhaul.protocols.secret import Secret

from .asking import ask, carefully

OPEN = Proxy(SOCKS5, "p.example", 1080)
LOGIN = Proxy(SOCKS5, "p.example", 1080, b"joe", Secret(b"sesame"))
TARGET = Target("mail.example.org", 993)
GRANTED = b"\x05\x00\x00\x01\0\0\0\0\0\0"
REQUEST = b"\x05\x01\x00\x03\x10mail.example.org\x03\xe1"


def test_the_proxy_gets_the_name_and_looks_it_up() -> None:
    answer, sent = ask(Socks5Client(OPEN, TARGET), [b"\x05\x00", GRANTED])
    assert answer == Connected()
    assert sent == b"\x05\x01\x00" + REQUEST


def test_user_and_password_are_sent_if_the_proxy_wants_them() -> None:
    answer, sent = ask(Socks5Client(LOGIN, TARGET), [b"\x05\x02", b"\x01\x00", GRANTED])
    assert answer == Connected()
    assert sent == b"\x05\x02\x00\x02" + b"\x01\x03joe\x06sesame" + REQUEST
    answer, sent = ask(Socks5Client(LOGIN, TARGET), [b"\x05\x00", GRANTED])
    assert answer == Connected()
    assert b"sesame" not in sent


@pytest.mark.parametrize(
    ("packed", "kind"), [(bytes((192, 0, 2, 1)), b"\x01"), (bytes(15) + b"\x01", b"\x04")]
)
def test_a_literal_address_is_sent_in_binary(packed: bytes, kind: bytes) -> None:
    machine = Socks5Client(OPEN, Target("a literal", 143, packed))
    _, sent = ask(machine, [b"\x05\x00", GRANTED])
    assert sent.endswith(b"\x05\x01\x00" + kind + packed + b"\x00\x8f")


@pytest.mark.parametrize("code", [*REFUSALS, 9, 255])
def test_each_refusal_is_told_in_words(code: int) -> None:
    answer, _ = ask(Socks5Client(OPEN, TARGET), [b"\x05\x00", bytes((5, code)) + GRANTED[2:]])
    assert isinstance(answer, NotConnected)
    assert answer.reason == REFUSALS.get(
        code, f"it refuses the connection with the unknown code {code}"
    ).format("mail.example.org")


@pytest.mark.parametrize(
    ("proxy", "answers", "words"),
    [
        (OPEN, [b"\x05\xff"], "it wants a login"),
        (LOGIN, [b"\x05\xff"], "it accepts no login with user and password"),
        (LOGIN, [b"\x05\x02", b"\x01\x01"], "it refuses user and password"),
    ],
)
def test_a_refused_login_is_told_from_a_missing_one(
    proxy: Proxy, answers: list[bytes], words: str
) -> None:
    answer, _ = ask(Socks5Client(proxy, TARGET), answers)
    assert isinstance(answer, NotConnected)
    assert words in answer.reason


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([b"* OK IMAP4rev1 ready\r\n"], "does not speak SOCKS5"),
        ([b"\x04\x5a"], "does not speak SOCKS5"),
        ([b"\x05\x02"], "login method 2, which was not offered"),
        ([b"\x05\x01"], "login method 1"),
        ([b"\x05\x00", b"HTTP/1.1"], "does not speak SOCKS5"),
        ([b"\x05\x00", b"\x05\x00\x00\x02\0\0\0\0\0\0"], "unknown type 2"),
    ],
)
def test_what_is_not_socks5_is_an_error(answers: list[bytes], words: str) -> None:
    machine = Socks5Client(OPEN, TARGET)
    with pytest.raises(RemoteProtocolError, match=words):
        ask(machine, answers)
    assert machine.state is ERROR


def test_an_end_before_the_answer_is_an_error() -> None:
    machine = Socks5Client(OPEN, TARGET)
    machine.receive_data(b"\x05")
    machine.receive_eof()
    with pytest.raises(ConnectionLost):
        machine.next_event()


def test_what_does_not_fit_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(LocalProtocolError, match="255 octets"):
        Socks5Client(OPEN, Target("x" * 256, 1))
    with pytest.raises(LocalProtocolError, match="255 octets") as caught:
        Socks5Client(Proxy(SOCKS5, "p", 1, b"joe", Secret(b"p" * 256)), TARGET)
    assert "ppp" not in str(caught.value)


@pytest.mark.parametrize(
    "bound", [b"\x01\0\0\0\0\0\0", b"\x03\x05hello\0\0", b"\x03\x00\0\0", b"\x04" + bytes(18)]
)
def test_nothing_is_read_beyond_the_answer(bound: bytes) -> None:
    greeting = b"* OK ready\r\n"
    machine = Socks5Client(LOGIN, TARGET)
    answer = b"\x05\x02\x01\x00\x05\x00\x00" + bound
    *_, left = carefully(machine, answer + greeting)
    assert left == -len(greeting)
    assert machine.answer == Connected()


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6))
def test_any_bytes_are_an_answer_or_an_error(pieces: list[bytes]) -> None:
    machine = Socks5Client(LOGIN, TARGET)
    try:
        for piece in pieces:
            machine.receive_data(piece)
            event = machine.next_event()
            assert isinstance(event, NeedData | Connected | NotConnected)
    except RemoteProtocolError:
        assert machine.failed


@given(st.data())
def test_how_an_answer_is_cut_makes_no_difference(data: st.DataObject) -> None:
    whole = b"\x05\x02\x01\x00\x05\x00\x00\x03\x05hello\0\0"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1))))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    answer, sent = ask(Socks5Client(LOGIN, TARGET), pieces)
    assert answer == Connected()
    assert sent == b"\x05\x02\x00\x02\x01\x03joe\x06sesame" + REQUEST
