"""Errors in an rc file: their text and their place."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.adapters.config.grammar import MAX_ERRORS, parse
from mailhaul.adapters.config.options import ENTRY_KEYWORDS
from mailhaul.adapters.config.secret_table import SECRET_WORDS
from mailhaul.adapters.config.statements import RcFile


def complaints(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigErrors) as caught:
        parse(data, "rc", "/")
    assert str(caught.value) == "\n".join(map(str, caught.value.errors))
    assert caught.value.exit_code == 5
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "poll h protcol imap",
            'rc:1:8: found "protcol", expected a server or user option; did you mean "protocol"?',
        ),
        (
            "poll h\n  user u\n  kepp",
            'rc:3:3: found "kepp", expected a user option; did you mean "keep"?',
        ),
        (
            "POLL h",
            'rc:1:1: found "POLL", expected "poll", "skip", "defaults" or "set"; '
            'did you mean "poll"?',
        ),
        ("set foo", 'rc:1:5: found "foo", expected a global option'),
        ("set no", "rc:1:7: found the end of the file, expected a global option"),
        ("poll", "rc:1:5: found the end of the file, expected the name of a server"),
        (
            "set daemon=30",
            'rc:1:12: found "30", expected a number; remove the "=" before the number',
        ),
        ("poll h limit keep", 'rc:1:14: found "keep", expected a number'),
        ("poll h limit 10k", 'rc:1:14: found "10k", expected a number'),
        (
            "poll h limit 9999999999999999999",
            'rc:1:14: the number "9999999999999999999" is too large',
        ),
        (
            "poll 123",
            'rc:1:6: found "123", expected the name of a server; '
            "a value that consists of digits needs quotes",
        ),
        (
            "poll h folder imap",
            'rc:1:15: found "imap", expected a value; '
            "a value that is spelled like a keyword needs quotes",
        ),
        (
            "poll h proto Imap",
            'rc:1:14: found "Imap", expected the name of a protocol; did you mean "imap"?',
        ),
        (
            "poll h proto imaps",
            'rc:1:14: found "imaps", expected the name of a protocol; '
            'write "protocol imap" and the user option "ssl"',
        ),
        (
            "poll h auth SSH",
            'rc:1:13: found "SSH", expected the name of an authentication method; '
            'did you mean "ssh"?',
        ),
        ("poll h bad-header keep", 'rc:1:19: found "keep", expected "accept" or "reject"'),
        ("poll h nossl", 'rc:1:8: found "nossl", expected a server or user option; write "no ssl"'),
        ("poll h no limit", 'rc:1:11: found "limit", expected an option that "no" can switch off'),
        (
            "poll h keep timeout 5 uidl",
            'rc:1:13: server option "timeout" after user options; '
            "write server options before the first user option of an entry",
        ),
        (
            "poll h pass x user u",
            'rc:1:15: a "user" after options that belong to no named user; '
            'put "user" before the other user options',
        ),
        ("poll h user u there there", 'rc:1:21: found "there", expected a user option'),
        ("poll h user u v keep", 'rc:1:15: found "v", expected a user option'),
        (
            "poll h\ndefaults keep",
            'rc:2:1: "defaults" is not the first entry; '
            "write one, before all poll and skip entries",
        ),
        (
            "defaults\ndefaults keep",
            'rc:2:1: a second "defaults"; write one, before all poll and skip entries',
        ),
        ("defaults user a user b", 'rc:1:17: "defaults" can describe one user only'),
        (
            "poll h aka=b",
            'rc:1:11: found "=", expected a value; "=" belongs between two user names, '
            'or after the option of a "set"',
        ),
        (
            "poll h \\\r\nkeep",
            'rc:1:8: found "\\", expected a server or user option; '
            "a backslash joins lines only directly before the newline (LF, not CRLF)",
        ),
        ("poll h \x1b[1mfoo", 'rc:1:8: found "\\x1b[1mfoo", expected a server or user option'),
        (b"poll h \xff", 'rc:1:8: found "\\udcff", expected a server or user option'),
        (
            b"poll h\nkeep\0",
            "rc:2:5: the file contains a NUL byte; save the file as plain text",
        ),
        (
            "poll h".encode("utf-16"),
            "rc:1:1: the file is UTF-16; save it as UTF-8 without a byte order mark",
        ),
    ],
)
def test_an_error_names_the_place_and_what_was_expected(text: str | bytes, expected: str) -> None:
    assert complaints(text) == [expected]


def test_all_errors_of_a_file_are_found_in_one_run() -> None:
    text = "poll a protcol imap\nskip b limit x keep\nset foo\ndefaults\nserver c kepp poll d keep"
    assert [line.split(": ")[0] for line in complaints(text)] == [
        "rc:1:8", "rc:2:14", "rc:3:5", "rc:4:1", "rc:5:10",
    ]  # fmt: skip


def test_after_an_error_a_statement_word_at_the_start_of_a_line_begins_a_statement() -> None:
    assert len(complaints("poll a folder\npoll b proto imap\n")) == 1


def test_a_statement_word_in_the_middle_of_a_line_is_only_an_error() -> None:
    assert len(complaints("poll a folder poll keep proto x\n")) == 1


def test_reading_ends_after_many_errors() -> None:
    assert len(complaints("foo\npoll h bar\n" * 1000)) == MAX_ERRORS


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("poll h pass s3 cret", "a password with blanks"),
        ("poll h pass s3,cret", "a password with blanks"),
        ("poll h pass s3=cret", "a password with blanks"),
        ("poll h pass s3:123", "a password with blanks"),
        ('poll h pass "s3" cret"', "a password with blanks"),
        ("poll h esmtppassword s3 cret user u", "a password with blanks"),
        ('poll h user "joe pass "s3cret" keep', "a quote inside a value ends it"),
        ('poll h user "joe pass " s3cret" keep', "a quote inside a value ends it"),
        ('poll h user "joe" keep cret"s3"', "quotes must enclose a whole value"),
        ('poll h user "joe keep\npoll h pass "s3cret', "spans several lines"),
        ('poll h user "joe my\n s3cret', "the quote at rc:1:13 is never closed"),
        ("poll h passwd s3cret", 'did you mean "password"'),
        ("poll h pass = s3cret", '"=" belongs'),
    ],
)
def test_no_error_shows_a_password(text: str, hint: str) -> None:
    lines = complaints(text)
    assert "cret" not in str(lines)
    assert "s3" not in str(lines)
    assert hint in str(lines)


STRUCTURE = [
    "poll", "skip", "set", "defaults", "no", "here", "there", "=", ",", "#", "5", "'x", "y'",
    '"z"', "joe", "\\\n",
]  # fmt: skip
WORDS = st.sampled_from([*ENTRY_KEYWORDS, *STRUCTURE])
PASSWORDS = st.sampled_from(
    ["qZ7", "qZ7 qZ7", "qZ7,qZ7", "'qZ7 qZ7'", '"qZ7" qZ7', "qZ7=qZ7", "qZ7\tqZ7 keep", "'qZ7"]
)


def outcome(data: bytes) -> RcFile | ConfigErrors:
    """Return the file or its errors; other exceptions propagate."""
    try:
        return parse(data, "rc", "/")
    except ConfigErrors as errors:
        return errors


@settings(deadline=None)
@example(before=["'x"], password="qZ7", after=["'x"], option="pass")
@example(before=["auth"], password="qZ7", after=[], option="password")
@given(
    before=st.lists(WORDS, max_size=6),
    password=PASSWORDS,
    after=st.lists(WORDS, max_size=4),
    option=st.sampled_from(SECRET_WORDS),
)
def test_no_error_near_a_password_shows_it(
    before: list[str], password: str, after: list[str], option: str
) -> None:
    # A comment or a name is allowed to swallow the option.
    if before and (before[-1] in ("#", "=") or before[-1] in ("user", "username", "is", "to")):
        before = [*before, "\n", "x"]
    text = " ".join(["poll h", *before, "\n", option, password, *after])
    result = outcome(text.encode())
    if isinstance(result, ConfigErrors):
        assert "qZ7" not in str(result)
        assert "qZ7" not in repr(result.errors)
    else:
        assert "qZ7" not in str(result.warnings)
        secrets = [u.values.get("password") for e in result.entries for u in e.users]
        assert "qZ7" not in repr(secrets)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_file_or_its_errors(data: bytes) -> None:
    result = outcome(data)
    if isinstance(result, ConfigErrors):
        assert result.errors
        assert all("\n" not in str(error) for error in result.errors)


@settings(deadline=None)
@given(st.lists(st.one_of(WORDS, PASSWORDS, st.text(max_size=4)), max_size=30))
def test_any_words_give_a_file_or_its_errors(words: list[str]) -> None:
    result = outcome(" ".join(words).encode("utf-8", "replace"))
    if isinstance(result, ConfigErrors):
        assert all(error.line > 0 and error.column > 0 for error in result.errors)
    else:
        assert all(entry.users for entry in result.entries)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("set passwordfile z", "it is an option of a poll entry"),
        ("set no keep", "it is an option of a poll entry"),
        ("poll h logfile x", 'write "set logfile" before the first entry'),
        ("poll h user u postmaster x", 'write "set postmaster" before the first entry'),
    ],
)
def test_an_option_at_the_wrong_level_has_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(text.encode(), "rc")
    assert caught.value.errors[0].hint == hint
