"""Servers that do what an RFC leaves open, as real ones do: they get no failure."""

from __future__ import annotations

import pytest

from mailhaul.conformance.verdicts import Verdict

from . import imap_server, smtp_server
from .interposed import Answer, Change

NO_SYNTAX = b"501 5.1.3 syntax error\r\n"

SMTP = {
    "smtp/syntax/3": (Answer(rb"MAIL FROM:<[^>]*", b"250 2.1.0 ok\r\n"), Verdict.WARN),
    "smtp/syntax/4": (Answer(rb"RCPT TO:<[^>]*", b"250 2.1.5 ok\r\n"), Verdict.WARN),
    "smtp/rcpt/6": (Answer(rb'RCPT TO:<".*', NO_SYNTAX), Verdict.WARN),
    "smtp/rcpt/7": (Answer(rb'RCPT TO:<".*', NO_SYNTAX), Verdict.WARN),
    "smtp/auth/12": (Answer(rb"(?-i:AUTH plain .*)", b"504 5.5.4 no\r\n"), Verdict.INFO),
}
IMAP: dict[str, tuple[Answer | Change, Verdict]] = {
    # The names of the fields as the client wrote them.
    "imap/fetch/5": (
        Change(rb"(HEADER\.FIELDS .*\n)To:(.*)Subject:", rb"\1TO:\2sUbJeCt:"),
        Verdict.WARN,
    ),
    # The response is optional.
    "imap/id/2": (Answer(rb"\S+ ID .*", b"<tag> OK done\r\n"), Verdict.SKIP),
    "imap/move/3": (Change(rb"NO \[TRYCREATE\]", rb"NO"), Verdict.WARN),
    # The flags are written when the session ends.
    "imap/store/4": (
        Answer(rb"\S+ FETCH 1 \(FLAGS\)", b"* 1 FETCH (FLAGS ())\r\n<tag> OK done\r\n", once=True),
        Verdict.WARN,
    ),
}


@pytest.mark.parametrize("name", SMTP)
def test_an_smtp_server_is_not_blamed(name: str) -> None:
    fault, verdict = SMTP[name]
    result = smtp_server.result_of(name, smtp_server.said(fault))
    assert result.verdict is verdict, result


@pytest.mark.parametrize("name", IMAP)
def test_an_imap_server_is_not_blamed(name: str) -> None:
    fault, verdict = IMAP[name]
    result = imap_server.result_of(name, imap_server.said(fault))
    assert result.verdict is verdict, result


def test_what_is_said_before_the_login_counts_for_the_case_about_it() -> None:
    refusal = Answer(rb"A[12] ID .*", b"<tag> BAD wrong state\r\n")
    verdicts = {
        name: imap_server.result_of(name, imap_server.said(refusal)).verdict
        for name in ("imap/id/1", "imap/id/2")
    }
    assert verdicts == {"imap/id/1": Verdict.FAIL, "imap/id/2": Verdict.PASS}


def test_parameters_of_one_recipient_are_not_held_against_another() -> None:
    # A server may refuse a second RCPT of one recipient with other conditions.
    contradiction = Answer(rb"RCPT TO:<joe@\S+> NOTIFY=SUCCESS.*", b"553 5.5.4 no\r\n")
    result = smtp_server.result_of("smtp/dsn/1", smtp_server.said(contradiction))
    assert result.verdict is Verdict.PASS, result


def test_a_lone_dot_without_a_recipient_may_get_any_reply() -> None:
    replies = [Answer(rb"DATA", b"354 go ahead\r\n"), Answer(rb"\.", b"250 2.0.0 ok\r\n")]
    result = smtp_server.result_of("smtp/data/1", smtp_server.said(*replies))
    assert result.verdict is Verdict.WARN, result
