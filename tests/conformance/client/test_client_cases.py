"""Every case agrees with a client without a fault, and sees the one that breaks its requirement."""

from __future__ import annotations

import pytest

from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Level, Verdict

from .client_mutants import MORE, MUTANTS, OF_SENDERS
from .running import result_of
from .scripted import SENDER

CASES = load_suite("client").cases
FAULTS = {Level.MUST: {Verdict.FAIL, Verdict.WARN}, Level.SHOULD: {Verdict.WARN}}
FOR_SENDERS = [name for name in CASES if name.split("/")[1] in {"smtp", "lmtp", "tls"}]


def test_every_case_has_its_mutant() -> None:
    assert MUTANTS.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_client_without_a_fault_passes(name: str) -> None:
    result = result_of(name)
    assert result.verdict in {Verdict.PASS, Verdict.INFO}, result


@pytest.mark.parametrize("name", FOR_SENDERS)
def test_a_client_that_sends_mail_passes(name: str) -> None:
    result = result_of(name, template=SENDER)
    assert result.verdict in {Verdict.PASS, Verdict.SKIP}, result


@pytest.mark.parametrize(("name", "faults"), [*MUTANTS.items(), *MORE])
def test_a_client_that_breaks_the_requirement_is_seen(name: str, faults: tuple[str, ...]) -> None:
    result = result_of(name, *faults)
    if CASES[name].level is Level.MAY:
        whole = result_of(name)
        assert (result.verdict, result.reason) != (whole.verdict, whole.reason)
    else:
        assert result.verdict in FAULTS[CASES[name].level], result
        assert result.got


def test_a_client_that_waits_for_the_rest_of_a_text_is_seen() -> None:
    result = result_of("client/pop3/10", "waits for the rest", seconds=1.0)
    assert result.verdict is Verdict.FAIL, result
    assert result.expected == "the client to end"


@pytest.mark.parametrize(("name", "faults"), OF_SENDERS)
def test_a_sender_that_breaks_the_requirement_is_seen(name: str, faults: tuple[str, ...]) -> None:
    result = result_of(name, *faults, template=SENDER)
    assert result.verdict in FAULTS[CASES[name].level], result
