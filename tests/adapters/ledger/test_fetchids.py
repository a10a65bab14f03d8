"""fetchmail's list of seen messages, for the migration from fetchmail."""

from __future__ import annotations

import pytest

from mailhaul.adapters.ledger.fetchids import seen_uids

FILE = (
    b"joe@mail.example.org uid-1\n"
    b"Joe@MAIL.example.org uid 2 \n"
    b"joe@example.net@mail.example.org UID3\r\n"
    b"ann@mail.example.org uid-4\n"
    b"junk\njoe@mail.example.org\njoe@mail.example.org \n\n@ \n"
    b"joe@mail.example.org \xff\xfe"
)


@pytest.mark.parametrize(
    ("user", "host", "uids"),
    [
        ("joe", "mail.example.org", [b"uid-1", b"uid 2", b"\xff\xfe"]),
        ("JOE", "Mail.Example.Org", [b"uid-1", b"uid 2", b"\xff\xfe"]),
        ("joe@example.net", "mail.example.org", [b"UID3"]),
        ("ann", "mail.example.org", [b"uid-4"]),
        ("joe", "example.org", []),
    ],
)
def test_the_ids_of_an_account_are_found(user: str, host: str, uids: list[bytes]) -> None:
    assert seen_uids(FILE, user, host) == uids


def test_an_empty_file_holds_nothing() -> None:
    assert seen_uids(b"", "joe", "h") == []
