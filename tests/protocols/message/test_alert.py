"""The mails about polls that fail, and that succeed again."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from mailhaul.protocols.message.alert import Trouble, failure_notice, recovery_notice
from mailhaul.protocols.message.bounce import BounceContext
from mailhaul.protocols.record import replace

OCCASION = BounceContext("us.example.org", b"Mon, 2 Nov 2026 10:00:00 +0000", b"1.2@us", b"=b")
DOWN = Trouble("joe@imap.x", "SOCKET", 3, "Mon, 2 Nov 2026 09:00:00 +0000", "imap.x: no route")
REFUSED = replace(DOWN, code="AUTHFAIL", login=True, reason="imap.x: [AUTHENTICATIONFAILED] no")
EVIL = "consent needed;\r\nX-Evil: 1\r\n\r\nGrüße" + "x" * 3000


def parsed(text: bytes) -> EmailMessage:
    message = message_from_bytes(text, policy=default)
    assert not message.defects
    assert text.isascii()
    assert max(map(len, text.split(b"\r\n"))) <= 998
    assert message["To"] == "joe@us"
    assert message["Auto-Submitted"] == "auto-generated"
    return message


def test_polls_that_fail_are_told_with_their_error_and_since_when() -> None:
    message = parsed(failure_notice(OCCASION, b"joe@us", DOWN))
    assert message["Subject"] == "mailhaul cannot fetch mail from joe@imap.x (SOCKET)"
    said = message.get_content()
    assert "The last 3 polls have failed, since Mon, 2 Nov 2026 09:00:00 +0000." in said
    assert "imap.x: no route" in said
    assert "password" not in said
    assert (
        "The last poll has failed"
        in parsed(failure_notice(OCCASION, b"joe@us", replace(DOWN, failures=1))).get_content()
    )


def test_a_refused_login_is_told_with_advice_about_the_password_and_none_about_tokens() -> None:
    message = parsed(failure_notice(OCCASION, b"joe@us", REFUSED))
    assert message["Subject"] == "mailhaul authentication failed on joe@imap.x"
    said = message.get_content()
    assert "password" in said
    assert "token" not in said
    assert "AUTHENTICATIONFAILED" in said


def test_a_missing_token_is_told_with_the_reason_and_no_advice_about_passwords() -> None:
    trouble = replace(REFUSED, token=True, reason=EVIL)
    message = parsed(failure_notice(OCCASION, b"joe@us", trouble))
    assert message["Subject"] == "mailhaul authentication failed on joe@imap.x"
    said = message.get_content()
    assert "no token to log in with" in said
    assert "consent needed" in said
    assert "password" not in said
    assert message["X-Evil"] is None
    assert "\nX-Evil" not in said


def test_the_end_is_told_for_each_kind_of_trouble() -> None:
    message = parsed(recovery_notice(OCCASION, b"joe@us", REFUSED))
    assert message["Subject"] == "mailhaul authentication OK on joe@imap.x"
    assert "accepted again" in message.get_content()
    message = parsed(recovery_notice(OCCASION, b"joe@us", DOWN))
    assert message["Subject"] == "mailhaul fetches mail from joe@imap.x again"
    assert "this failed (SOCKET)" in message.get_content()


def test_names_stay_on_their_line() -> None:
    message = parsed(failure_notice(OCCASION, b"joe@us", replace(DOWN, account=EVIL, reason=EVIL)))
    assert message["X-Evil"] is None
