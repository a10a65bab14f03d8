"""The notice about messages that are too large."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

from mailhaul.protocols.message.bounce import BounceContext
from mailhaul.protocols.message.notice import MAX_LISTED, oversized_notice

OCCASION = BounceContext("us.example.org", b"Mon, 2 Nov 2026 10:00:00 +0000", b"1.2@us", b"=b")


def test_a_notice_lists_the_messages_that_stay_on_the_server() -> None:
    sizes = {"INBOX": {2000: 1, 5000: 2}, "Lists": {3000: 1}}
    text = oversized_notice(OCCASION, b"joe@us", "joe@imap.x", 1000, sizes, deleted=False)
    message = message_from_bytes(text, policy=default)
    assert not message.defects
    assert message["To"] == "joe@us"
    assert message["Subject"] == "Mail for joe@imap.x stays on the server"
    assert message["Message-ID"] == "<1.2@us>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == [
        "Mail for joe@imap.x is larger than the limit of 1000 octets and stays on the server:",
        "",
        "  INBOX:",
        "    2 messages of 5000 octets",
        "    1 message of 2000 octets",
        "",
        "  Lists:",
        "    1 message of 3000 octets",
        "",
        'A larger "limit" fetches it.',
    ]


def test_a_notice_about_deleted_messages_gives_no_advice() -> None:
    text = oversized_notice(OCCASION, b"joe@us", "joe@x", 1, {"INBOX": {2: 1}}, deleted=True)
    message = message_from_bytes(text, policy=default)
    assert message["Subject"] == "Mail for joe@x was deleted unread"
    assert "larger" not in message.get_content().splitlines()[-1]


def test_names_stay_on_their_line_and_the_list_of_sizes_is_limited() -> None:
    name = "a\r\nX-Evil: 1\r\n\r\nGrüße" + "x" * 5000
    sizes = {name: dict.fromkeys(range(10_000, 20_000), 1)}
    text = oversized_notice(OCCASION, b"joe@us", name, 1000, sizes, deleted=False)
    message = message_from_bytes(text, policy=default)
    assert message["X-Evil"] is None
    assert text.isascii()
    assert max(map(len, text.split(b"\r\n"))) <= 998
    assert text.count(b"octets\r\n") == MAX_LISTED
