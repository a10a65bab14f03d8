"""Tables fit the screen, and colours are only for terminals."""

from __future__ import annotations

import io

import pytest

from mailhaul.apps.cli.screen import Screen, counted, size_in_words, width_of


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    painted = "\x1b[31;1mx\x1b[0m"
    assert Screen(Terminal()).paint("x", "red", "bold") == (painted if coloured else "x")
    assert Screen(io.StringIO()).paint("x", "red") == "x"


@pytest.mark.parametrize("coloured", [False, True])
def test_a_table_has_aligned_columns_within_the_screen(coloured: bool) -> None:
    screen = Screen(Terminal(), coloured=coloured, columns=40)
    rows = [("No.", "Subject", "Why"), ("1", "漢字", "x" * 50), ("12", "a\x1b[2Jb", "e\u0301")]
    styles = [("dim",) * 3, ("", "green", "")]
    lines = screen.table(rows, right=(0,), styles=styles)
    plain = [
        line.replace("\x1b[2m", "").replace("\x1b[32m", "").replace("\x1b[0m", "") for line in lines
    ]
    assert [line.rstrip() for line in plain] == [
        "  No.  Subject    Why",
        "    1  漢字       " + "x" * 21 + "…",
        "   12  a\\x1b[2Jb  e\u0301",
    ]
    assert max(map(width_of, plain)) <= 40


def test_text_that_is_too_long_is_cut_and_says_so() -> None:
    utf8, ascii = Screen(Terminal(), columns=80), Screen(io.StringIO(), columns=80)
    assert (utf8.fit("abcdef", 4), ascii.fit("abcdef", 5)) == ("abc…", "ab...")
    assert utf8.fit("漢字漢字", 6) == "漢字…"
    assert utf8.fit("abc", 3) == "abc"


def test_facts_are_wrapped_beside_their_label() -> None:
    screen = Screen(Terminal(), coloured=False, columns=30)
    assert screen.facts([("Server", "one two three four five six")], label=8) == [
        "  Server    one two three four",
        "            five six",
    ]


def test_sizes_and_counts_are_for_people() -> None:
    sizes = [0, 1023, 1024, 4301, 102400, 1048575, 5 * 1024**3]
    words = ["0 B", "1023 B", "1.0 KiB", "4.2 KiB", "100 KiB", "1.0 MiB", "5.0 GiB"]
    assert [size_in_words(size) for size in sizes] == words
    assert [counted(1, "message"), counted(1234, "message"), counted(2, "box", "boxes")] == [
        *("1 message", "1,234 messages", "2 boxes")
    ]
