"""Values of other programs come through an rc file unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.config.lexer import HIDDEN, STRING, tokenize
from mailhaul.adapters.config.writer import quote
from mailhaul.adapters.migration.new_rcfile import command_line

VALUES = st.text(st.characters(exclude_characters="\0"), min_size=1)


@given(VALUES)
def test_a_quoted_value_is_read_as_it_was(value: str) -> None:
    kind, found, _ = tokenize(f"maildir {quote(value)}\n").list[1]
    assert (kind, found) == (STRING, value)


@given(VALUES)
def test_a_quoted_password_is_read_as_it_was(value: str) -> None:
    tokens = tokenize(f"password {quote(value)}\n")
    kind, _, at = tokens.list[1]
    assert (kind, tokens.secrets[at].reveal()) == (HIDDEN, value.encode())


@pytest.mark.parametrize("value", ['say "x"', "back\\slash", "\\x41", "a # b", "keep", "\udcff"])
def test_what_is_special_in_rc_files_is_escaped(value: str) -> None:
    assert tokenize(f"maildir {quote(value)}\n").list[1][1] == value


def test_a_command_is_quoted_for_the_shell_except_for_placeholders() -> None:
    assert command_line(["/a b", "-f", "%(sender)", "$x"], {"%(sender)": "%F"}) == (
        "'/a b' -f %F '$x'"
    )
