"""The nasty corpus holds what it promises, so that tests that use it mean what they say."""

from __future__ import annotations

import pytest

from .nasty_corpus import BORDER, END_LIKE, MARK, NASTY


@pytest.mark.parametrize("name", NASTY)
def test_each_message_names_itself_first(name: str) -> None:
    found = MARK.search(NASTY[name])
    assert found
    assert found[1].decode() == name


def test_an_end_like_sequence_is_cut_at_every_place_by_the_end_of_a_buffer() -> None:
    text = NASTY["dots_at_borders"]
    cuts = {
        text[border - 5 : border + 5].find(b"\r\n.\r\n")
        for border in range(BORDER, len(text) - 2 * BORDER, BORDER)
    }
    assert cuts == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("name", END_LIKE)
def test_each_end_like_sequence_is_followed_by_a_whole_transaction(name: str) -> None:
    text = NASTY[f"end_{name}"]
    assert text.count(b"before" + END_LIKE[name] + b"MAIL FROM:<eve@example.net>\r\n") == 1
    assert text.count(b"<smuggled@nasty.example>") == 1


def test_the_hard_cases_are_in_it() -> None:
    assert max(map(len, NASTY["line_of_a_megabyte"].split(b"\r\n"))) == 2**20
    assert NASTY["many_fields"].partition(b"\r\n\r\n")[0].count(b"\r\nX-Field") == 5000
    assert b"\r" not in NASTY["lf_only"]
    assert b"\r\n\r\n" not in NASTY["header_only"]
    assert NASTY["no_final_newline"][-1:] == b"e"
    assert NASTY["lone_dot_at_the_end"].endswith(b"\r\n.")
    assert b"\0" in NASTY["nul"].partition(b"\r\n\r\n")[2]
