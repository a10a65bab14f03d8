"""The corpus holds what it promises, so that tests that use it mean what they say."""

from __future__ import annotations

import pytest

from . import corpus

pytestmark = pytest.mark.real


def lines(message: bytes) -> list[bytes]:
    return message.split(corpus.CRLF)


@pytest.mark.parametrize("name", corpus.CORPUS)
def test_every_line_ends_in_crlf_and_the_name_is_in_the_message_id(name: str) -> None:
    message = corpus.CORPUS[name]()
    assert message.count(b"\n") == message.count(b"\r") == message.count(b"\r\n")
    assert f"Message-ID: <{name}@example.org>".encode() in lines(message)


def test_the_hard_cases_are_in_it() -> None:
    assert max(corpus.eight_bit()) == 0xFF
    assert {b".", b"..", b".x"} <= set(lines(corpus.leading_dots()))
    assert not corpus.no_final_newline().endswith(b"\n")
    assert corpus.empty_body().endswith(b"\r\n\r\n")
    assert b"\r\n\r\n" not in corpus.header_only()
    assert max(map(len, lines(corpus.long_line()))) == 20_000
    assert 5_000_000 < len(corpus.big()) < 5_001_000
    assert b",\r\n\tDave" in corpus.folded_header()
    assert b"@" not in corpus.hostless_addresses().split(b"Message-ID:")[0]


def test_body_of_takes_either_kind_of_line_end() -> None:
    assert corpus.body_of(b"A: b\r\n\r\nx\r\n\r\ny\r\n") == b"x\n\ny\n"
    assert corpus.body_of(b"A: b\n\nx\n") == b"x\n"
