"""Passwords found in .netrc; each case was tried with fetchmail 6.4.37."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhaul.adapters.config.netrc import Netrc
from mailhaul.adapters.config.secret_table import needs_password
from mailhaul.adapters.config.settings import AccountSettings

Accounts = Callable[..., list[AccountSettings]]
HOSTS = ("h", "v")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("machine h login joe password p", "p"),
        ("machine v login joe password p", "p"),
        ("machine v login joe password q machine h login joe password p", "p"),
        ("machine h login ann password q\nmachine h login joe password p", "p"),
        ("machine h login joe\nmachine v login joe password p", "p"),
        ("machine h login joe password p machine h login joe password q", "p"),
        ("machine h login joe password q password p", "p"),
        ("machine h\nlogin joe\n\tpassword p", "p"),
        ("# c\nmachine h user joe passwd p # x", "p"),
        ("machine h login joe account a password p", "p"),
        ("junk machine h login joe password p", "p"),
        ("macdef x\nmachine h login joe password q\n\nmachine h login joe password p", "p"),
        ('machine h login "joe" password "a b"', "a b"),
        ("machine h login joe password 'it''s'", "its"),
        ('machine h login joe password a"b c"d', "ab cd"),
        ("machine h login joe password a\\ b", "a\\"),
        ('machine h login joe password "a\\"b"', "a\\b"),
        ("machine h login joe password p#q", "p#q"),
        ('machine h login joe password ""', ""),
        ("machine h login joe password #x", None),
        ("machine h password p", None),
        ("machine h login joe password p login ann", None),
        ("machine H login joe password p", None),
        ("machine", None),
        ("default login joe password d", None),
        ("default password d", None),
        ("machine h login joe default password d", None),
    ],
)
def test_the_password_is_that_of_machine_and_login(text: str, expected: str | None) -> None:
    secret = Netrc(text.encode()).password("joe", HOSTS)
    assert (None if secret is None else secret.reveal().decode()) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("proto imap", True),
        ("proto imap auth password", True),
        ("proto imap user u pass ''", False),
        ("proto imap auth ssh", False),
        ("proto imap auth external", False),
        ("proto imap auth gssapi", False),
        ("proto imap auth opie", False),
        ("proto etrn", False),
    ],
)
def test_not_every_account_needs_a_password(
    options: str, expected: bool, accounts: Accounts
) -> None:
    (account,) = accounts(f"poll h {options}")
    assert needs_password(account) == expected


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_file_can_be_searched(data: bytes) -> None:
    before = b"machine h login joe password p\n"
    found = Netrc(before + b"default\n" + data).password("joe", HOSTS)
    assert found is not None
    assert found.reveal() == b"p"
