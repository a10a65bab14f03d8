"""Every LMTP case agrees with our own server, and sees the server that breaks its requirement."""

from __future__ import annotations

import pytest

from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Level, Verdict

from .lmtp_mutants import MORE_MUTANTS, MUTANTS
from .smtp_server import Mutant, result_of

CASES = load_suite("lmtp").cases
FAULTS = {Level.MUST: {Verdict.FAIL, Verdict.WARN}, Level.SHOULD: {Verdict.WARN}}
ALL_MUTANTS = [*MUTANTS.items(), *MORE_MUTANTS]


def test_every_case_has_its_mutant() -> None:
    assert MUTANTS.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_our_server_passes(name: str) -> None:
    result = result_of(name)
    assert result.verdict in {Verdict.PASS, Verdict.INFO}, result


@pytest.mark.parametrize(("name", "mutant"), ALL_MUTANTS, ids=[name for name, _ in ALL_MUTANTS])
def test_a_server_that_breaks_the_requirement_is_seen(name: str, mutant: Mutant) -> None:
    result = result_of(name, mutant)
    level = CASES[name].level
    if level is Level.MAY:
        whole = result_of(name)
        assert (result.verdict, result.reason) != (whole.verdict, whole.reason)
    else:
        assert result.verdict in FAULTS[level], result
        assert result.got
