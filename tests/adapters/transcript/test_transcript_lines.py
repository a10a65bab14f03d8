"""The format of a transcript: lines that can be parsed again, and texts found in any split."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.transcript.lines import Line, escaped, parse, unescaped
from mailhaul.adapters.transcript.replay import command_from, filler, names_of, replay
from mailhaul.adapters.transcript.texts import ImapTexts, Lines, Pop3Texts
from mailhaul.protocols.imap import commands
from mailhaul.protocols.pop3.commands import Retrieve


@given(st.binary(max_size=60))
def test_bytes_become_one_printable_line_and_bytes_again(data: bytes) -> None:
    shown = escaped(data)
    assert shown.isascii()
    assert shown.isprintable()
    assert unescaped(shown) == data


@given(st.text(" !abc\\'", max_size=20))
def test_a_line_can_be_parsed_again(about: str) -> None:
    line = Line(1.5, 3, "<", about)
    assert parse(str(line)) == line


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "Noop().x", "open()", "Select(open('x'))", "Login(**{})", "1 + 1", "x"],
)
def test_nothing_is_called_but_commands(text: str) -> None:
    with pytest.raises(ValueError, match="not a command"):
        command_from(text, names_of(commands))


@pytest.mark.parametrize(
    "lines",
    [
        ["nonsense"],
        ["0.0 1 open gopher h"],
        ["0.0 7 < x"],
        ["0.0 1 open imap h", "0.0 1 what x"],
        ["0.0 1 open imap h", "0.0 1 > Select(mailbox="],
        ["0.0 1 open imap h", "0.0 1 input __class__"],
        ["0.0 1 open imap h", "0.0 1 <text many"],
    ],
)
def test_an_invalid_transcript_is_reported_with_its_line_number(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=f"line {len(lines)}: "):
        list(replay(lines))


@pytest.mark.parametrize("octets", [0, 1, 262_143, 262_144, 262_145, 700_000])
def test_filler_has_its_length(octets: int) -> None:
    assert sum(map(len, filler(octets))) == octets


def texts_in(reader: Lines, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """Return all texts, and all the rest."""
    found = [one for piece in pieces for one in reader.cut(piece)]
    return (
        b"".join(data for data, is_text in found if is_text),
        b"".join(data for data, is_text in found if not is_text) + reader.rest(),
    )


def pop3() -> Pop3Texts:
    reader = Pop3Texts()
    list(reader.cut(b"+OK hello\r\n"))
    for number in (1, 2, 3):
        reader.sent(Retrieve(number))
    return reader


CONVERSATIONS: dict[str, tuple[Callable[[], Lines], bytes, bytes]] = {
    "two literals of a fetch": (
        ImapTexts,
        b"* 1 FETCH (X {3}\r\n{3} BODY[] {7}\r\nte\r\nxt. UID 1)\r\nA1 OK {7}\r\n* 2 EXISTS\r\n",
        b"te\r\nxt.",
    ),
    "a text in quotes": (ImapTexts, b'* 1 FETCH (BODY[] "se\\"cret" UID 1)\r\n', b""),
    "texts and refusals": (
        pop3,
        b"+OK\r\nab\r\n..c\r\n.\r\n-ERR gone\r\n+OK\r\n.\r\n+OK\r\n",
        b"ab\r\n.c",
    ),
    "empty lines before a reply": (
        pop3,
        b"\r\n+OK\r\nab\r\n.\r\n\r\n\r\n+OK\r\nc\r\n.\r\n",
        b"abc",
    ),
    "lines": (Lines, b"250-a\r\n250 b\r\n250", b""),
}


@pytest.mark.parametrize(("made", "data", "text"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_texts_are_found_in_any_split(made: Callable[[], Lines], data: bytes, text: bytes) -> None:
    whole = texts_in(made(), [data])
    assert whole[0] == text
    assert b"cret" not in whole[1]
    for size in (1, 2, 3, 7):
        assert texts_in(made(), [data[i : i + size] for i in range(0, len(data), size)]) == whole
