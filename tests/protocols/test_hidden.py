"""Secrets that a peer echoes are not shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.hidden import MIN_LENGTH, Hidden
from mailhaul.protocols.sasl.exchange import encode_base64


def hiding(*secrets: bytes) -> Hidden:
    hidden = Hidden()
    hidden.add(*secrets)
    return hidden


def test_before_anything_was_sent_nothing_is_hidden() -> None:
    assert Hidden().clean(b"a line") == b"a line"
    assert Hidden().clean_cut(b"a line") == b"a line"
    assert hiding(b"").clean(b"a line") == b"a line"


def test_a_secret_is_hidden_wherever_it_stands() -> None:
    assert hiding(b"sesame").clean(b"sesame, opensesame and sesame") == b"*, open* and *"


def test_a_secret_is_hidden_as_it_was_sent_in_base64() -> None:
    secret = b"\0joe\0sesame"
    assert hiding(secret).clean(b"got " + encode_base64(secret)) == b"got *"


def test_the_parts_of_a_secret_are_hidden_each() -> None:
    assert hiding(b"ann\0joe\0sesame").clean(b"ann joe sesame") == b"* * *"


def test_the_longer_of_two_secrets_is_hidden_completely() -> None:
    for secrets in ((b"open", b"open sesame"), (b"open sesame", b"open")):
        assert hiding(*secrets).clean(b"open sesame, open") == b"*, *"


def test_many_secrets_can_be_added_one_by_one() -> None:
    hidden = hiding(b"first")
    hidden.add(b"second")
    assert hidden.clean(b"first and second") == b"* and *"


def test_short_ones_are_hidden_until_the_login_is_over() -> None:
    short, longer = b"x" * (MIN_LENGTH - 1), b"y" * MIN_LENGTH
    hidden = hiding(short, longer)
    assert hidden.clean(short + b" " + longer) == b"* *"
    hidden.login_is_over()
    assert hidden.clean(short + b" " + longer) == short + b" *"


@pytest.mark.parametrize("size", range(MIN_LENGTH, 12))
def test_the_beginning_of_a_secret_is_hidden_where_a_line_was_cut(size: int) -> None:
    secret = b"open-sesame!"
    assert hiding(secret).clean_cut(b"it is " + secret[:size]) == b"it is *"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"it is open-sesame!", b"it is *"),
        (b"it is open-sesame! ope", b"it is * ope"),
        (b"open-ses then", b"open-ses then"),
        (b"o", b"o"),
        (b"", b""),
    ],
)
def test_whole_secrets_are_hidden_and_short_prefixes_are_not(line: bytes, shown: bytes) -> None:
    assert hiding(b"open-sesame!").clean_cut(line) == shown


SECRETS = st.lists(st.text("ab\0", min_size=1, max_size=8).map(str.encode), min_size=1, max_size=3)


@given(SECRETS, st.text("ab*= ", max_size=40).map(str.encode))
def test_no_secret_is_left_in_any_line(secrets: list[bytes], line: bytes) -> None:
    shown = hiding(*secrets).clean(line)
    for secret in secrets:
        for part in filter(None, secret.split(b"\0")):
            assert part not in shown
