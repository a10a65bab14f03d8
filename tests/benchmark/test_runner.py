"""Tiny runs from end to end, and runs that must not count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.place import private_place
from bench.results import Series
from bench.runner import Runner
from bench.scenarios import SCENARIOS, Scenario
from bench.tools import FLOORS, MAILHAUL, Command, Job, Tool

pytestmark = pytest.mark.real

BY_NAME = {one.name: replace(one, messages=10) for one in SCENARIOS}


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with private_place() as place:
        yield Runner(place, lambda _: None)


def run(runner: Runner, scenario: Scenario, tool: Tool) -> Series:
    (series,) = runner.run(scenario, 1, [(tool, "")])
    return series


@pytest.mark.parametrize("name", ["S1", "S6"])
def test_mailhaul_and_the_floor_move_all_mail(runner: Runner, name: str) -> None:
    scenario = BY_NAME[name]
    tools = [(MAILHAUL, ""), (FLOORS[scenario.floor], "")]
    for series in runner.run(scenario, 1, tools):
        assert series.failure == ""
        (usage,) = series.runs
        assert usage.wall > 0
        assert usage.cpu > 0
        assert 1 << 20 < usage.memory < 200 << 20


def test_mail_that_did_not_arrive_is_noticed(runner: Runner) -> None:
    idle = Tool("idle", "true", lambda _: Command(["true"]))
    series = run(runner, BY_NAME["S1"], idle)
    assert series.runs == []
    assert series.failure.startswith("0 of 10 arrived: 10 missing")


def test_mail_that_is_still_at_the_server_is_noticed(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.place.SETTLE_SECONDS", 0.1)
    keeping = replace(MAILHAUL, prepare=keep)
    series = run(runner, BY_NAME["S6"], keeping)
    assert series.failure == "the server holds 10 messages, and should hold 0"
    assert run(runner, BY_NAME["S6"], replace(keeping, deletes=False)).failure == ""


def keep(job: Job) -> Command:
    command = MAILHAUL.prepare(job)
    return replace(command, words=[*command.words, "--keep"])


def test_a_failing_program_is_quoted_and_not_started_again(runner: Runner) -> None:
    failing = Tool("failing", "sh", lambda _: Command(["sh", "-c", "echo no luck; exit 7"]))
    (series,) = runner.run(BY_NAME["S1"], 3, [(failing, "")])
    assert (series.runs, series.failure) == ([], "code 7: no luck")


def test_what_is_not_installed_is_not_started(runner: Runner) -> None:
    (series,) = runner.run(BY_NAME["S1"], 1, [(MAILHAUL, "not installed")])
    assert (series.runs, series.failure) == ([], "not installed")
