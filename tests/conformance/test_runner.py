"""Cases run side by side, in their order, within their limits, and are repeated if they fail."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from mailhaul.conformance import runner
from mailhaul.conformance.case_thread import Stop, describe
from mailhaul.conformance.environment import Environment
from mailhaul.conformance.runner import Limits
from mailhaul.conformance.session import Session
from mailhaul.conformance.suites import MODULES, environment_of, load_suite
from mailhaul.conformance.verdicts import (
    Broken,
    Finding,
    Level,
    Result,
    SetUpFailed,
    Skipped,
    Verdict,
)
from mailhaul.flows.requests import Sleep

from .interposed import Answer
from .loopback import Authority, pop3_on_loopback, target_at
from .pop3_server import Mutant, Pop3World, said
from .toy_cases import Log, hanging, in_turn, passing, raising, run_toys, toy, toy_environment

BROKEN = Broken("a pear", "an apple")


def test_cases_run_side_by_side_but_not_those_that_are_marked() -> None:
    log, alone = Log(), Log()
    cases = [toy(f"a/{n}", log.check(str(n), 0.05)) for n in range(4)]
    cases += [toy(f"b/{n}", alone.check(str(n), 0.01), alone=True) for n in range(3)]
    run_toys(cases, limits=Limits(jobs=4), seed=3)
    assert (log.most, alone.most) == (4, 1)


def test_no_more_run_at_a_time_than_was_asked_for() -> None:
    log = Log()
    cases = [toy(f"a/{n}", log.check(str(n), 0.02)) for n in range(5)]
    run_toys(cases, limits=Limits(jobs=2))
    assert log.most == 2


def test_a_suite_may_run_all_its_cases_alone() -> None:
    log = Log()
    run_toys([toy(f"a/{n}", log.check(str(n), 0.01)) for n in range(4)], alone=True)
    assert (log.most, log.began) == (1, ["0", "1", "2", "3"])


def test_a_seed_draws_the_same_order_again() -> None:
    orders: list[list[str]] = []
    for seed in (7, 7, 8, None):
        log = Log()
        cases = [toy(f"a/{n}", log.check(str(n))) for n in range(9)]
        run_toys(cases, alone=True, seed=seed)
        orders.append(log.began)
    assert orders[0] == orders[1] != orders[2]
    assert orders[3] == sorted(orders[3])


def test_a_case_waits_for_those_that_it_depends_on() -> None:
    log = Log()
    cases = [
        toy("a/1", log.check("last"), after=("toy/a/2", "toy/not/chosen")),
        toy("a/2", log.check("first", 0.03), alone=True),
    ]
    results = run_toys(cases)
    assert log.began == ["first", "last"]
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_a_case_is_skipped_if_one_that_it_depends_on_did_not_pass() -> None:
    cases = [
        toy("a/3", passing, after=("toy/a/2",)),
        toy("a/2", passing, after=("toy/a/1",)),
        toy("a/1", raising(BROKEN)),
    ]
    results = run_toys(cases)
    assert results["a/2"].verdict is results["a/3"].verdict is Verdict.SKIP
    assert results["a/2"].reason == "toy/a/1 did not pass"


def test_cases_that_wait_for_each_other_are_run() -> None:
    cases = [toy("a/1", passing, after=("toy/a/2",)), toy("a/2", passing, after=("toy/a/1",))]
    assert {result.verdict for result in run_toys(cases).values()} == {Verdict.PASS}


@pytest.mark.parametrize("name", MODULES)
def test_dependencies_exist_and_come_first(name: str) -> None:
    seen: list[str] = []
    for case in load_suite(name).cases.values():
        assert set(case.after) <= set(seen)
        seen.append(case.id)
    assert issubclass(environment_of(name), Environment)


REPEATED: dict[str, tuple[tuple[Any, ...], Verdict, bool]] = {
    "fails twice": ((raising(BROKEN), raising(BROKEN)), Verdict.FAIL, False),
    "fails once": ((raising(BROKEN), passing), Verdict.WARN, True),
    "fails, then does not apply": ((raising(BROKEN), raising(Skipped("no"))), Verdict.WARN, True),
    "fails, then cannot be set up": (
        (raising(BROKEN), raising(SetUpFailed("refused"))),
        Verdict.FAIL,
        True,
    ),
    "cannot be set up once": ((raising(SetUpFailed("busy")), passing), Verdict.PASS, True),
    "cannot be set up": (
        (raising(SetUpFailed("busy")), raising(SetUpFailed("busy"))),
        Verdict.ERROR,
        False,
    ),
    "cannot be set up, then fails": (
        (raising(SetUpFailed("busy")), raising(BROKEN)),
        Verdict.FAIL,
        True,
    ),
    "breaks the harness": ((raising(KeyError("x")), raising(KeyError("x"))), Verdict.ERROR, False),
}


@pytest.mark.parametrize("name", REPEATED)
def test_a_case_that_fails_is_run_once_more(name: str) -> None:
    checks, verdict, unstable = REPEATED[name]
    result = run_toys([toy("a/1", in_turn(*checks))])["a/1"]
    assert (result.verdict, result.unstable) == (verdict, unstable)
    assert result.internal is (name == "breaks the harness")


def test_the_evidence_of_a_failure_that_came_once_is_kept() -> None:
    result = run_toys([toy("a/1", in_turn(raising(BROKEN), passing))])["a/1"]
    assert (result.expected, result.got) == ("a pear", "an apple")
    assert result.reason.endswith("; the second run ended with pass")


def test_the_second_run_is_alone() -> None:
    log = Log()
    cases = [toy(f"a/{n}", log.check("other", 0.05)) for n in range(2)]
    second = Log()
    again = in_turn(raising(BROKEN), second.check("second"))

    async def check(env: Any) -> None:
        was_running = log.running
        await again(env)
        assert not (second.began and was_running)

    results = run_toys([toy("b/1", check), *cases])
    assert results["b/1"].verdict is Verdict.WARN


def test_a_case_that_takes_too_long_is_stopped() -> None:
    async def endless(env: Any) -> None:
        while True:
            await Sleep(0.001)

    began = time.monotonic()
    results = run_toys(
        [toy("a/1", endless), toy("a/2", Log().check("x", 60)), toy("a/3", passing)],
        limits=Limits(case=0.1),
    )
    assert time.monotonic() - began < 5
    for name in ("a/1", "a/2"):
        assert results[name].verdict is Verdict.ERROR
        assert results[name].reason == "not finished: it takes more than 0.1 seconds"
    assert results["a/3"].verdict is Verdict.PASS


def test_a_case_that_cleans_up_is_stopped_too() -> None:
    async def tidy(env: Any) -> None:
        try:
            await Sleep(60)
        finally:
            await Sleep(0)

    result = run_toys([toy("a/1", tidy)], limits=Limits(case=0.05))["a/1"]
    assert (result.verdict, result.internal) == (Verdict.ERROR, False)
    assert result.reason == "not finished: it takes more than 0.05 seconds"


def test_a_slow_case_has_a_limit_of_its_own() -> None:
    case = toy("a/1", Log().check("x", 0.2), slow=True)
    assert run_toys([case], limits=Limits(case=0.05))["a/1"].verdict is Verdict.PASS


def test_a_case_that_hangs_in_a_call_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GRACE", 0.05)
    results = run_toys(
        [toy("a/1", hanging(0.5)), toy("a/2", passing)], limits=Limits(case=0.05, jobs=1)
    )
    assert results["a/1"].verdict is Verdict.ERROR
    assert "hangs" in results["a/1"].reason
    assert results["a/2"].verdict is Verdict.PASS
    time.sleep(0.6)


def test_a_run_that_takes_too_long_ends_with_what_it_has() -> None:
    cases = [toy("a/1", passing), toy("a/2", Log().check("x", 60)), toy("a/3", passing)]
    stop = Stop()
    results = run_toys(cases, limits=Limits(run=0.2, jobs=1), stop=stop)
    assert [result.verdict for result in results.values()] == [
        *(Verdict.PASS, Verdict.SKIP, Verdict.SKIP),
    ]
    assert stop.reason == "the run takes more than 0.2 seconds"
    assert results["a/2"].reason == f"not finished: {stop.reason}"
    assert results["a/3"].reason == f"not run: {stop.reason}"


def test_a_run_can_be_stopped_from_outside() -> None:
    stop = Stop()
    timer = threading.Timer(0.1, stop.now, ("interrupted",))
    timer.start()
    failed = in_turn(raising(BROKEN), Log().check("x", 60))
    results = run_toys([toy("a/1", failed), toy("a/2", passing)], stop=stop, alone=True)
    timer.join()
    # Its second run was stopped: the first result is all there is.
    assert results["a/1"].verdict is Verdict.FAIL
    assert results["a/2"].verdict is Verdict.SKIP


def test_levels_and_findings_make_the_verdict() -> None:
    async def finding(env: Any) -> Finding:
        return Finding(True, "in 3 seconds")

    cases = [
        toy("a/1", finding, level=Level.MAY),
        toy("a/2", raising(BROKEN), level=Level.SHOULD),
        toy("a/3", raising(Skipped("not announced"))),
    ]
    results = run_toys(cases)
    assert [result.verdict for result in results.values()] == [
        *(Verdict.INFO, Verdict.WARN, Verdict.SKIP),
    ]
    assert results["a/1"].reason == "yes: in 3 seconds"


def test_a_fault_at_the_end_of_a_case_is_one_of_the_harness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(self: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("mailhaul.conformance.environment.Environment.close", broken)
    result = run_toys([toy("a/1", passing)])["a/1"]
    assert (result.verdict, result.internal) == (Verdict.ERROR, True)
    assert result.reason == "internal error after passing: KeyError('x')"


def test_results_are_reported_when_they_are_final() -> None:
    seen: list[tuple[str, Verdict]] = []

    def note(result: Result) -> None:
        seen.append((result.case, result.verdict))

    run_toys(
        [toy("a/1", in_turn(raising(BROKEN), passing)), toy("a/2", passing)],
        report=note,
    )
    assert sorted(seen) == [("toy/a/1", Verdict.WARN), ("toy/a/2", Verdict.PASS)]


# Against our own server


def run_pop3(authority: Authority, mutant: Mutant | None = None) -> dict[str, Verdict]:
    world = Pop3World(mutant or Mutant())
    stop = Stop()
    with pop3_on_loopback(world, authority, mutant) as port:
        target = target_at(port, world)
        cases = [
            case
            for case in load_suite("pop3").cases.values()
            if case.topic in {"dele", "stat"} and not case.slow
        ]

        def make() -> Environment[Session]:
            return environment_of("pop3")(target)

        description = describe(make(), 5.0, stop)
        assert description.greeting.startswith(b"+OK")
        assert b"UIDL" in description.capabilities
        results = runner.Runner(cases, make, stop, alone=True, seed=5).run()
    stop.close()
    return {result.case: result.verdict for result in results}


def test_our_server_passes(authority: Authority) -> None:
    found = run_pop3(authority)
    assert set(found.values()) == {Verdict.PASS}
    assert "pop3/dele/1" in found


def test_a_server_with_a_fault_is_found(authority: Authority) -> None:
    found = run_pop3(authority, said(Answer(rb"DELE 1", b"+OK again\r\n", after=1)))
    assert found["pop3/dele/1"] is Verdict.FAIL
    assert found["pop3/stat/1"] is Verdict.PASS


def test_a_target_that_is_not_there_cannot_be_described() -> None:
    stop = Stop()
    with pytest.raises(SetUpFailed, match="refused"):
        describe(toy_environment(), 5.0, stop)
    stop.close()
