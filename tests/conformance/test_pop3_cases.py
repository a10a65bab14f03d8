"""Every POP3 case agrees with our own server, and sees the server that breaks its requirement."""

from __future__ import annotations

import pytest

from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Level, Verdict

from .pop3_mutants import CLEAN, MUTANTS
from .pop3_server import result_of

CASES = load_suite("pop3").cases
FAULTS = {Level.MUST: {Verdict.FAIL, Verdict.WARN}, Level.SHOULD: {Verdict.WARN}}


def test_every_case_has_its_mutant() -> None:
    assert {name.split()[0] for name in MUTANTS} == CASES.keys()
    assert CLEAN.keys() <= CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_our_server_passes(name: str) -> None:
    result = result_of(name, CLEAN.get(name))
    expected = Verdict.INFO if CASES[name].level is Level.MAY else Verdict.PASS
    assert result.verdict is expected, result


@pytest.mark.parametrize("name", MUTANTS)
def test_a_server_that_breaks_the_requirement_is_seen(name: str) -> None:
    case, _, _ = name.partition(" ")
    result = result_of(case, MUTANTS[name])
    level = CASES[case].level
    if level is Level.MAY:
        assert result.verdict is Verdict.INFO, result
        whole = result_of(case, CLEAN.get(case))
        assert (result.verdict, result.reason) != (whole.verdict, whole.reason)
    else:
        assert result.verdict in FAULTS[level], result
        assert result.got
