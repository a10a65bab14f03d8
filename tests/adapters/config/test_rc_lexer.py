"""Splitting an rc file into tokens."""

from __future__ import annotations

import pytest

from mailhaul.adapters.config.lexer import (
    END,
    EQUALS,
    HIDDEN,
    KEYWORD,
    NUMBER,
    STRING,
    tokenize,
    unescape,
)


def tokens(text: str) -> list[tuple[str, str]]:
    """Return kinds and texts, with passwords revealed, without the END token."""
    found = tokenize(text)
    assert found.list[-1] == (END, "", len(text))
    return [
        (kind, found.secrets[at].reveal().decode() if kind == HIDDEN else word)
        for kind, word, at in found.list[:-1]
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("poll", (KEYWORD, "poll")),
        ("nokeep", (KEYWORD, "nokeep")),
        ("IMAP", (KEYWORD, "IMAP")),
        ("Imap", (STRING, "Imap")),
        ("POLL", (STRING, "POLL")),
        ("polls", (STRING, "polls")),
        ("nossl", (STRING, "nossl")),
        ("120", (NUMBER, "120")),
        ("-1", (NUMBER, "-1")),
        ("+5", (STRING, "+5")),
        ("0x10", (STRING, "0x10")),
        ("10k", (STRING, "10k")),
        ("-", (STRING, "-")),
        ("\u0663", (STRING, "\u0663")),
        ("=", (EQUALS, "=")),
        ("joe@example.org", (STRING, "joe@example.org")),
        ('"a b"', (STRING, "a b")),
        ("'a b'", (STRING, "a b")),
        ('"it\'s"', (STRING, "it's")),
        ('"a\nb"', (STRING, "a\nb")),
        ('""', (STRING, "")),
        ('"a=b"', (STRING, "a=b")),
        ("p#x", (STRING, "p#x")),
        ('"u"v', (STRING, '"u"v')),
        ('"u""v"', (STRING, '"u""v"')),
        ('u"v"', (STRING, 'u"v"')),
        ('"abc', (STRING, '"abc')),
        (r'"x\"y"', (STRING, '"x"y"')),
    ],
)
def test_a_token_is_the_longest_match(text: str, expected: tuple[str, str]) -> None:
    assert tokens(text) == [expected]
    assert tokens(f" {text}\n") == [expected]


def test_a_quote_ends_a_value_even_after_a_backslash() -> None:
    assert tokens(r'"a \" b"') == [(STRING, "a "), (STRING, 'b"')]


def test_strings_next_to_each_other_need_a_separator() -> None:
    assert tokens('"a","b"') == [(STRING, "a"), (STRING, "b")]
    assert tokens("'a b'keep") == [(STRING, "a b"), (KEYWORD, "keep")]


def test_punctuation_and_noise_words_are_skipped() -> None:
    assert tokens("has protocol: imap; and, with wants options") == [
        (KEYWORD, "protocol"), (KEYWORD, "imap"),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["poll", "keep", "with", "123", "imap", "here", "-1"])
@pytest.mark.parametrize("before", ["user", "username", "is", "to", "="])
def test_after_these_words_everything_is_a_name(before: str, word: str) -> None:
    assert tokens(f"{before} , {word} keep")[1:] == [(STRING, word), (KEYWORD, "keep")]


@pytest.mark.parametrize("word", ["poll", "with", "123", "'a b'", "x#y"])
@pytest.mark.parametrize("before", ["pass", "password", "esmtppassword ="])
def test_after_these_words_everything_is_a_password(before: str, word: str) -> None:
    assert tokens(f"{before} {word}")[-1] == (HIDDEN, word.strip("'"))


@pytest.mark.parametrize(
    ("word", "token"),
    [
        ("x#y", (HIDDEN, "x#y")),
        ("'a b'", (HIDDEN, "a b")),
        ("'keep'", (HIDDEN, "keep")),
        ("poll", (KEYWORD, "poll")),
        ("with x", (HIDDEN, "x")),
        ("# comment\nx", (HIDDEN, "x")),
        # A number is not a password, but it may be meant as one, so errors do not show it.
        ("123", (NUMBER, "")),
    ],
)
def test_a_password_for_the_listener_must_not_look_like_a_keyword(
    word: str, token: tuple[str, str]
) -> None:
    assert tokens(f"esmtppassword {word}")[1:] == [token]


def test_a_password_after_an_equals_sign_is_hidden_too() -> None:
    assert tokens("pass = x")[1:] == [(EQUALS, "="), (HIDDEN, "x")]


def test_the_method_called_password_is_followed_by_no_password() -> None:
    assert tokens("auth password user keep") == [
        (KEYWORD, "auth"), (KEYWORD, "password"), (KEYWORD, "user"), (STRING, "keep"),
    ]  # fmt: skip


def test_a_comment_is_no_value_unless_quoted() -> None:
    assert tokens("pass #b\nkeep") == [(KEYWORD, "pass"), (HIDDEN, "keep")]
    assert tokens('pass "#b"\n') == [(KEYWORD, "pass"), (HIDDEN, "#b")]


def test_a_comment_goes_to_the_end_of_its_line_or_of_the_file() -> None:
    assert tokens("keep # 'x \\\nssl #y") == [(KEYWORD, "keep"), (KEYWORD, "ssl")]


def test_a_backslash_joins_lines() -> None:
    assert tokens("keep \\\nssl") == [(KEYWORD, "keep"), (KEYWORD, "ssl")]
    assert tokens('"a \\\n b"') == [(STRING, "a  b")]


def test_carriage_returns_are_blanks() -> None:
    assert tokens("poll h\r\nkeep\r\n") == [(KEYWORD, "poll"), (STRING, "h"), (KEYWORD, "keep")]


def test_an_unclosed_quote_is_recorded() -> None:
    assert tokenize('keep "abc keep').unclosed == 5
    assert tokenize('keep "abc" keep').unclosed == -1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\n\t\b\r\\", "\n\t\b\r\\"),
        ("a \\\n b", "a  b"),
        (r"\x41\X4aZ", "AJZ"),
        (r"\x4g", "\x04g"),
        (r"\xfeff", "\udcfeff"),
        (r"\xc3\xa9", "\u00e9"),
        (r"\065", "5"),
        (r"\0101", "\x081"),
        (r"\101", "e"),
        (r"\1234", "{4"),
        (r"\8", "\b"),
        (r"\777", "\t"),
        (r"\q\"", 'q"'),
        ("a\\", "a"),
        (r"a\0b", "a"),
        (r"a\xg", "a"),
        (r"a\256b", "a"),
        ("\u00e9\\\u00e9", "\u00e9\u00e9"),
    ],
)
def test_escapes_have_fetchmails_values(text: str, expected: str) -> None:
    assert unescape(text) == expected


def test_bytes_that_are_not_utf_8_stay_unchanged() -> None:
    text = b"pass \xff\\x41\xfe".decode("utf-8", "surrogateescape")
    (secret,) = tokenize(text).secrets.values()
    assert secret.reveal() == b"\xffA\xfe"
