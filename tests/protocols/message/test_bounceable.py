"""No bounce goes to forged senders, mailing lists, or programs that might reply to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.message.bounceable import NoBounce, no_bounce
from mailhaul.protocols.message.header import split_fields
from mailhaul.protocols.message.objections import HOP_LIMIT

ANN = b"ann@example.org"


def asked(header: bytes, sender: bytes = ANN) -> NoBounce | None:
    return no_bounce(sender, split_fields(header))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Subject: x\r\n",
        b"Auto-Submitted: no\r\n",
        b"auto-submitted: NO (by hand); x=y\r\n",
        b"Precedence: first-class\r\n",
        b"List: x\r\nX-Loops: 1\r\n",
        b"Received: x\r\n" * (HOP_LIMIT - 1),
    ],
)
def test_personal_mail_may_be_bounced(header: bytes) -> None:
    assert asked(header) is None


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"Auto-Submitted: auto-replied\r\n", NoBounce.AUTOMATIC),
        (b"AUTO-SUBMITTED: auto-generated; x=y\r\n", NoBounce.AUTOMATIC),
        (b"Auto-Submitted:\r\n", NoBounce.AUTOMATIC),
        (b"Auto-Submitted: no\r\nAuto-Submitted: auto-notified\r\n", NoBounce.AUTOMATIC),
        (b"List-Id: <l.example.org>\r\n", NoBounce.LIST),
        (b"Precedence: bulk\r\n", NoBounce.LIST),
        (b"Precedence:\r\n List (x)\r\n", NoBounce.LIST),
        (b"precedence: JUNK\r\n", NoBounce.LIST),
        (b"X-Loop: joe@example.org\r\n", NoBounce.LOOP),
        (b"Received: x\r\n" * HOP_LIMIT, NoBounce.LOOP),
    ],
)
def test_automatic_mail_must_not_be_bounced(header: bytes, reason: NoBounce) -> None:
    assert asked(b"Subject: x\r\n" + header + b"To: joe\r\n") is reason


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        (b"", NoBounce.NULL_SENDER),
        (b"MAILER-DAEMON", NoBounce.DAEMON),
        (b"Mailer-Daemon@example.org", NoBounce.DAEMON),
        (b'"mailer-daemon"@example.org', NoBounce.DAEMON),
        (b"ann", NoBounce.NO_ADDRESS),
        (b"ann@x y", NoBounce.NO_ADDRESS),
        ("änn@example.org".encode(), NoBounce.NO_ADDRESS),
        (b"mailer-daemons@example.org", None),
    ],
)
def test_some_senders_never_get_a_bounce(sender: bytes, reason: NoBounce | None) -> None:
    assert asked(b"Subject: x\r\n", sender) is reason


@given(st.binary(max_size=60), st.binary(max_size=100))
def test_any_bytes_give_an_answer(sender: bytes, header: bytes) -> None:
    assert asked(header, sender) in {None, *NoBounce}
