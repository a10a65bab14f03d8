"""Known results of a target: one line for each, with the reason.

    # id           verdict  reason, with a link
    pop3/dele/1    fail     DELE twice gives +OK, see https://bugs.example.org/17

A result that is expected does not count as a failure. One that has become better is reported, so
that its line can be removed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .faults import WrongUse
from .verdicts import Result, Verdict

MAY_BE_EXPECTED = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
MAX_OCTETS = 1 << 20


@dataclass(frozen=True)
class Expectation:
    """The known result of one case. ``place`` is where it is written: "known.txt:3"."""

    case: str
    verdict: Verdict
    reason: str
    place: str


Expectations = Mapping[str, Expectation]


def read_expectations(path: str, known: Collection[str]) -> Expectations:
    """Read a file of known results. ``known`` are the ids of all cases. Raises WrongUse."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_OCTETS)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise WrongUse(f"--expect {path}: {reason}") from None
    found: dict[str, Expectation] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        expectation = parse_line(line, f"{path}:{number}", known)
        if earlier := found.get(expectation.case):
            raise WrongUse(
                f"{expectation.place}: {expectation.case} is in {earlier.place} too; remove one"
            )
        found[expectation.case] = expectation
    return found


def parse_line(line: str, place: str, known: Collection[str]) -> Expectation:
    """Read one line. Raises WrongUse."""
    case, *rest = line.split(maxsplit=2)
    if case not in known:
        raise WrongUse(f'{place}: there is no case {case}; "mailhaul conformance list" shows all')
    words = ", ".join(MAY_BE_EXPECTED)
    if not rest or rest[0] not in set(MAY_BE_EXPECTED):
        raise WrongUse(f"{place}: after the id comes one of {words}, then the reason")
    if len(rest) == 1:
        raise WrongUse(f"{place}: add the reason after {rest[0]}, best with a link")
    return Expectation(case, Verdict(rest[0]), rest[1].strip(), place)


def is_expected(result: Result, expectations: Expectations) -> bool:
    """Whether a result is the known one of its case."""
    expectation = expectations.get(result.case)
    return expectation is not None and expectation.verdict is result.verdict


def is_better(result: Result, expectations: Expectations) -> bool:
    """Whether a case passes that was expected not to."""
    return result.case in expectations and result.verdict in {Verdict.PASS, Verdict.INFO}
