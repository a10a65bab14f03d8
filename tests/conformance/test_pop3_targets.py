"""No case blames a server for what the RFCs allow, or for what the harness was not given."""

from __future__ import annotations

import pytest

from mailhaul.conformance.pop3.session import credentials
from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Verdict

from .interposed import Answer, Change
from .pop3_extended import ClosesAfterRefusal, Delaying, RefusesSlowly
from .pop3_faulty import SharesMaildrop
from .pop3_mutants import CLEAN
from .pop3_mutants_dialogue import ERR
from .pop3_server import JOE, Mutant, result_of, said

CASES = load_suite("pop3").cases
FINE = {Verdict.PASS, Verdict.INFO, Verdict.SKIP}

ALLOWED: dict[str, Mutant] = {
    "STLS in every session": Mutant(target={"starttls": True}),
    "TLS from the beginning": Mutant(wrapped=True, target={"wrapped": True}),
    "only what RFC 1939 demands": said(
        Answer(rb"(CAPA|TOP|UIDL|AUTH|STLS|UTF8|LANG|APOP)( .*)?", ERR)
    ),
    "no CAPA": said(Answer(rb"CAPA", ERR)),
    "no USER": said(Answer(rb"USER .*", ERR), Change(rb"\r\nUSER\r\n", b"\r\n")),
    "no SASL and no pipelining": said(Change(rb"\r\n(SASL[^\r]*|PIPELINING)(?=\r\n)", b"")),
    "more text in listings": said(
        Change(rb"(?<=\r\n)(\d+ \d+)(?=\r\n)", rb"\1 octets"),
        Change(rb"\A\+OK (\d+) (\d+)\r\n", rb"+OK \1 \2 octets\r\n"),
    ),
    "tags and codes in lower case": said(
        Change(rb"\r\nTOP\r\nUIDL", b"\r\nTop\r\nuidl"), Change(rb"\[AUTH\]", b"[auth]")
    ),
    "a text after every +OK": said(Change(rb"\A\+OK\r\n", b"+OK as you wish\r\n")),
    "trailing blanks refused": said(Answer(rb".* ", ERR)),
    "it closes after a wrong password": Mutant(service=ClosesAfterRefusal),
    "it refuses logins slowly": Mutant(service=RefusesSlowly),
}


@pytest.mark.parametrize("kind", ALLOWED)
@pytest.mark.parametrize("name", CASES)
def test_what_is_allowed_is_not_blamed(name: str, kind: str) -> None:
    result = result_of(name, ALLOWED[kind])
    assert result.verdict in FINE, result


@pytest.mark.parametrize("name", CASES)
def test_no_case_depends_on_how_the_network_cuts(name: str) -> None:
    assert result_of(name, CLEAN.get(name), cut=True).verdict in FINE


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lacking", ["store", "other_user"])
def test_what_the_harness_was_not_given_is_a_reason_to_skip(name: str, lacking: str) -> None:
    assert result_of(name, Mutant(target={lacking: None})).verdict in FINE


@pytest.mark.parametrize("name", CASES)
def test_shared_maildrops_are_only_a_warning(name: str) -> None:
    verdict = result_of(name, Mutant(service=SharesMaildrop)).verdict
    assert verdict in FINE | ({Verdict.WARN} if name == "pop3/lock/1" else set())


TROUBLE: dict[str, Mutant] = {
    "turned away": said(Change(rb"\A\+OK ready\r\n", b"-ERR [SYS/TEMP] too busy\r\n")),
    "the password is wrong": said(Answer(rb"PASS .*", ERR), Answer(rb"AUTH PLAIN.*", ERR)),
    "a delay between logins": Mutant(
        service=Delaying, options={"before": ((b"LOGIN-DELAY", b"600"),)}
    ),
    "silence at the login": said(Answer(rb"PASS .*"), Answer(rb"AUTH .*")),
}
ABOUT_LOGINS = {"auth", "sasl", "case", "pipe", "lock", "status", "line", "resp", "quit", "apop"}
"""Topics of cases that look at the login itself."""
OTHERS = [name for name in CASES if CASES[name].topic not in ABOUT_LOGINS and name != "pop3/stls/6"]


@pytest.mark.parametrize("kind", TROUBLE)
@pytest.mark.parametrize("name", OTHERS)
def test_trouble_before_the_case_is_not_blamed(name: str, kind: str) -> None:
    assert result_of(name, TROUBLE[kind]).verdict in FINE | {Verdict.ERROR}


@pytest.mark.parametrize("name", CASES)
def test_no_transcript_shows_a_password(name: str) -> None:
    """Not even in base64, spoilt or cut as it may be."""
    entries = result_of(name, CLEAN.get(name)).transcript.entries
    sent = b"\n".join(entry.octets for entry in entries if entry.who == "C")
    assert JOE.password not in sent
    assert credentials(JOE)[8:] not in sent
