"""Encoded words are decoded, and decoding never changes the meaning of a header."""

from __future__ import annotations

from base64 import b64encode
from email.header import Header
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.encoded_words import (
    CHARSETS,
    MAX_FIELD,
    MAX_LINE,
    with_words_decoded,
)
from mailhaul.protocols.message.header import Field, split_fields


def decoded(raw: str | bytes) -> bytes:
    return with_words_decoded(Field(raw if isinstance(raw, bytes) else raw.encode()))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=\r\n", "Subject: Grüße aus Köln\r\n"),
        ("Subject: =?ISO-8859-1?q?Gr=FC=DFe?= an alle\n", "Subject: Grüße an alle\n"),
        ("Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n", "Subject: Grüße\r\n"),
        ("Subject: =?utf-8*de?B?R3LDvMOfZQ==?=\r\n", "Subject: Grüße\r\n"),
        ("Subject: Re: =?utf-8?q?=C3=BC?=\r\n x\r\n", "Subject: Re: ü\r\n x\r\n"),
        ("subject: =?utf-8?q?a?= =?utf-8?q?b?=\r\n", "subject: ab\r\n"),
        ("Subject: =?utf-8?q??=\r\n", "Subject: \r\n"),
        ("Subject: a =?utf-8?B??= =?utf-8?q??= b\r\n", "Subject: a  b\r\n"),
        ("Subject: =?utf-8?q?a?= =?utf-8?q??=\r\n =?utf-8?q?b?=\r\n", "Subject: ab\r\n"),
        (
            "Subject: =?utf-8?q?a?=\r\n =?koi8-r?q?=C1?= c =?utf-8?q?d?=\r\n",
            "Subject: a\u0430 c d\r\n",
        ),
        ("Subject: =?utf-8?q?=C3?= =?utf-8?q?=BC?=\r\n", "Subject: ü\r\n"),
        ("Subject: =?iso-2022-jp?B?GyRCJCIbKEI=?=\r\n", "Subject: あ\r\n"),
        ("Comments: =?utf-8?q?=28x?=\r\n", "Comments: (x\r\n"),
    ],
)
def test_words_of_a_text_are_decoded(raw: str, expected: str) -> None:
    assert decoded(raw) == expected.encode()


@pytest.mark.parametrize(
    "word",
    [
        "=?utf-8?q?a=0D=0AX:_y?=",
        "=?utf-8?q?a=0Ab?=",
        "=?utf-8?q?a=0Db?=",
        "=?utf-8?q?a=00b?=",
        "=?utf-8?q?a=1B[m?=",
        "=?iso-8859-1?q?a=9Bm?=",
        "=?utf-8?B?YQ0KWDogeQ==?=",
        "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=",
        "=?utf-8?q?_?=",
        "=?utf-8?q?=C3?=",
        "=?utf-8?q?=ZZ?=",
        "=?utf-8?q?a=4?=",
        "=?utf-8?B?R3LD?=",
        "=?utf-8?B?R3L?=",
        "=?utf-8?B?R!!!?=",
        "=?utf-8?x?abc?=",
        "=?x-made-up?q?abc?=",
        "=?utf-7?q?+AAo-?=",
        "=?hex?q?61?=",
        "=?utf-8?q?a?",
        "x=?utf-8?q?a?=",
        "=?utf-8?q?a?=.",
        "=?utf-8?q?=C3=BC?= =?utf-8?q?a=0Ab?=",
    ],
)
@pytest.mark.parametrize("before", ["Subject: x ", "From: "])
def test_a_doubtful_word_stays_as_it_is(before: str, word: str) -> None:
    raw = f"{before}{word} <ann@example.org>\r\n".encode()
    assert decoded(raw) == raw


@pytest.mark.parametrize(
    "raw",
    [
        "X-Loop: =?utf-8?q?a?=\r\n",
        "Message-ID: =?utf-8?q?a?=\r\n",
        "Content-Type: text/plain; name= =?utf-8?q?a?=\r\n",
        "Return-Path: =?utf-8?q?a?= <a@b>\r\n",
        "=?utf-8?q?a?=\r\n",
    ],
)
def test_other_fields_are_left_alone(raw: str) -> None:
    assert decoded(raw) == raw.encode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("=?utf-8?q?J=C3=BCrgen?= Ott <j@x>", "Jürgen Ott <j@x>"),
        ("=?utf-8?q?J=C3=BCrgen?=<j@x>", "Jürgen<j@x>"),
        ("=?utf-8?q??= <j@x>", '"" <j@x>'),
        ("=?utf-8?q?J:,=C3=BC?= <j@x>", '"J:,ü" <j@x>'),
        ("=?utf-8?q?Ott=2C_J=C3=BCrgen?= <j@x>", '"Ott, Jürgen" <j@x>'),
        ("=?utf-8?q?=22J=22_=5C?= <j@x>, b@y", '"\\"J\\" \\\\" <j@x>, b@y'),
        ("=?utf-8?q?a?= =?utf-8?q?b=40?= <j@x>", '"ab@" <j@x>'),
        ("=?utf-8?q?G=C3=A4ste?=: a@x, =?utf-8?q?=C3=BC?= <b@x>;", "Gäste: a@x, ü <b@x>;"),
        ("b@y, =?utf-8?q?=C3=BC?=\r\n <j@x>", "b@y, ü\r\n <j@x>"),
    ],
)
def test_display_names_are_decoded_and_quoted_if_necessary(raw: str, expected: str) -> None:
    assert decoded(f"To: {raw}\r\n") == f"To: {expected}\r\n".encode()


@pytest.mark.parametrize(
    "raw",
    [
        "=?utf-8?q?bob?=",
        "=?utf-8?q?bob=40x?=, ann@x",
        "=?utf-8?q?bob?=@x",
        "Ann <=?utf-8?q?bob?=>",
        "Ann <=?utf-8?q?bob?=:ann@x>",
        '"=?utf-8?q?bob?=" <b@x>',
        "(=?utf-8?q?bob?=) b@x",
        '"open =?utf-8?q?bob?= <b@x>',
    ],
)
def test_text_outside_display_names_stays_encoded(raw: str) -> None:
    assert decoded(f"To: {raw}\r\n") == f"To: {raw}\r\n".encode()


@pytest.mark.parametrize("byte", range(256))
def test_a_name_ends_whatever_octet_it_contains(byte: int) -> None:
    assert decoded(b"To: a %c=?utf-8?q?b?=%c c\r\n" % (byte, byte)).startswith(b"To: a ")


def test_a_line_that_would_get_too_long_stays_folded() -> None:
    words = [b"=?utf-8?q?%b?=" % (b"x" * 60) for _ in range(17)]
    raw = b"Subject: " + b"\r\n ".join(words) + b"\r\n"
    assert decoded(raw) == raw
    short = b"Subject: " + b"\r\n ".join(words[:16]) + b"\r\n"
    assert len(decoded(short)) == len("Subject: ") + 16 * 60 + 2 <= MAX_LINE


@pytest.mark.parametrize("charset", sorted(CHARSETS))
def test_python_knows_every_listed_charset(charset: str) -> None:
    word = b64encode("x".encode(charset))
    assert decoded(b"Subject: =?%b?b?%b?=\n" % (charset.encode(), word)) == b"Subject: x\n"


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["C", "Z"]), min_size=1))
def test_text_encoded_by_the_library_is_decoded(text: str) -> None:
    raw = b"Subject: " + Header(text, "utf-8").encode(linesep="\r\n").encode() + b"\r\n"
    assert decoded(raw) == (raw if "=?" in text else f"Subject: {text}\r\n".encode())


PIECES = st.lists(
    st.one_of(
        st.sampled_from(["=?utf-8?q?a=2C?=", "=?utf-8?q?=40=22?=", "=?utf-8?b?PA==?=", "ann@x"]),
        st.sampled_from([*'<>,:;"()\\@x', " ", "\r\n ", "\t"]),
        st.sampled_from(["=?", "?=", "=?utf-8?q?", "=0A", "ü"]),
    ),
    max_size=16,
).map("".join)


@given(st.sampled_from(["To", "Subject", "From", "X"]), PIECES)
def test_decoding_adds_no_fields(name: str, body: str) -> None:
    raw = f"{name}: {body}\r\n".encode()
    if len(split_fields(raw)) == 1:
        (field,) = split_fields(decoded(raw))
        assert field.name == name.encode()
        assert not any(
            line.strip() == b"" for line in field.raw.split(b"\n")[:-1] if line not in raw
        )


WORDS = st.text('abü,@<>":;()\\. ', min_size=1, max_size=12).filter(str.strip)


@given(st.lists(WORDS, min_size=1, max_size=3))
def test_addresses_stay_unchanged(hidden: list[str]) -> None:
    mailboxes = [
        f"=?utf-8?b?{b64encode(name.encode()).decode()}?= <a{number}@x>"
        for number, name in enumerate(hidden)
    ]
    body = decoded(f"To: {', '.join(mailboxes)}\r\n").decode().removeprefix("To: ")
    found = getaddresses([body])
    assert [address for _, address in found] == [f"a{n}@x" for n in range(len(hidden))]
    assert [" ".join(n.split()) for n, _ in found] == [" ".join(n.split()) for n in hidden]


def test_a_field_beyond_the_length_limit_stays_unchanged() -> None:
    word = b"=?utf-8?q?x?="
    folded = b"\r\n a " * ((MAX_FIELD - 100) // 5)
    assert decoded(b"Subject: " + word + folded) == b"Subject: x" + folded
    longer = b"Subject: " + word + folded + b"\r\n a" * 100
    assert decoded(longer) == longer


@given(st.sampled_from([b"To", b"Subject"]), st.binary(max_size=200))
def test_any_bytes_give_a_result(name: bytes, body: bytes) -> None:
    decoded(name + b": =?utf-8?q?" + body)


def test_an_empty_word_alone_on_its_line_stays() -> None:
    for end in ("\r\n", "\n", "\r\n y\r\n"):
        raw = f"Subject: x\r\n =?utf-8?q??={end}".encode()
        assert decoded(raw) == raw
