"""Finished runs with every kind of result, for the tests of the reports."""

from __future__ import annotations

from typing import Any

from mailhaul.conformance.cases import Case
from mailhaul.conformance.environment import Description
from mailhaul.conformance.expectations import Expectation
from mailhaul.conformance.report.run import Run
from mailhaul.conformance.transcript import CLIENT, REMARK, SERVER, Transcript
from mailhaul.conformance.verdicts import Level, Result, Verdict

from .toy_cases import passing

MUST, SHOULD, MAY = Level


def case(name: str, text: str, level: Level = MUST, **options: Any) -> Case[Any]:
    return Case(name, 1939, "5", level, text, passing, **options)


CASES = [
    case("pop3/greet/1", "The greeting is one line."),
    case("pop3/greet/2", "Two greetings are different.", MAY),
    case("pop3/retr/1", "RETR returns what was stored <exactly> & whole.", implied=True),
    case("pop3/retr/2", "Lines with a dot are stuffed.", note="see https://example.org/dispute"),
    case("pop3/uidl/1", "Unique ids are short.", SHOULD),
    case("pop3/uidl/2", "Unique ids stay."),
    case("pop3/uidl/10", "Unique ids are not given again."),
    case("pop3/stls/1", "STLS is not listed inside TLS."),
    case("pop3/lock/1", "A second login is refused."),
    case("pop3/lock/2", "The lock ends with the session."),
]


def transcript() -> Transcript:
    found = Transcript()
    found.hide([b"open sesame"])
    found.add(0.001, 1, REMARK, b"connected")
    found.add(0.002, 1, SERVER, b"+OK ready\r\n")
    found.add(0.003, 1, CLIENT, b"PASS open sesame\r\n")
    found.add(0.004, 2, SERVER, b"+OK Gr\xfc\xdfe \x1b[31m </pre><script>alert(1)</script>\r\n")
    found.add(0.005, 2, SERVER, b"+OK\n")
    found.add(0.006, 2, CLIENT, b"QUI")
    return found


def results() -> list[Result]:
    found = [
        Result("pop3/greet/1", Verdict.PASS, seconds=0.012, transcript=transcript()),
        Result("pop3/greet/2", Verdict.INFO, "yes: by the time"),
        Result(
            "pop3/retr/1",
            Verdict.FAIL,
            "expected <all> of it, got a part",
            expected="<all> of it",
            got="a part\x1b[2J\x00 \u202e",
            seconds=1.5,
            transcript=transcript(),
        ),
        Result("pop3/retr/2", Verdict.FAIL, "expected two dots, got one", "two dots", "one"),
        Result("pop3/uidl/1", Verdict.WARN, "expected 70, got 71", "70", "71"),
        Result(
            *("pop3/uidl/2", Verdict.WARN, "expected a, got b; the second run ended with pass"),
            *("a", "b"),
            unstable=True,
        ),
        Result("pop3/uidl/10", Verdict.PASS),
        Result("pop3/stls/1", Verdict.SKIP, "the server does not announce STLS"),
        Result("pop3/lock/1", Verdict.ERROR, "the login of b'joe' fails"),
        Result("pop3/lock/2", Verdict.ERROR, "internal error in x: KeyError()", internal=True),
    ]
    return found


def finished_run(*, name: str = "ours", strict: bool = False) -> Run:
    """Return a run with every verdict, one known failure, and one that passes again."""
    return Run(
        suite="pop3",
        target="localhost:1100",
        name=name,
        date="2026-01-05T10:00:00Z",
        cases=CASES,
        results=results(),
        seconds=2.25,
        seed=42,
        strict=strict,
        description=Description(b"+OK ready <1@host>", (b"UIDL", b"SASL PLAIN")),
        expectations={
            "pop3/retr/2": Expectation(
                "pop3/retr/2", Verdict.FAIL, "known #17: https://bugs.example.org/17", "known:1"
            ),
            "pop3/uidl/10": Expectation("pop3/uidl/10", Verdict.FAIL, "was so", "known:2"),
        },
    )
