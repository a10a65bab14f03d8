"""The table of scenarios is complete, and every program can be told what each of them wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import arguments, wanted
from bench.growth import SERIES
from bench.scenarios import IDLE_GOAL, SCENARIOS, Scenario
from bench.tools import FLOORS, MAILHAUL, PEERS, Job, environment
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load

NAMES = (
    *("S1", "S2", "S3a", "S3b", "S3m", "S3n", "S4", "S5", "S6", "S6b", "S7-pop3", "S7-imap"),
    *(
        "S8-imap",
        "S8-pop3",
        "S9-imap",
        "S9-pop3",
        "S9-hosts",
        "S10",
        "S10-large",
        "S11",
        "S12",
        "S13",
    ),
)
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)


def job(scenario: Scenario, home: Path) -> Job:
    targets = {"maildir": str(home / "Mail"), "mda": "/usr/bin/mda /var/mail"}
    return Job(
        scenario=scenario,
        home=home,
        users=tuple(f"user{number}" for number in range(1, scenario.accounts + 1)),
        port=1143,
        password="correct-horse",
        authority=home / "authority.pem",
        target=targets.get(scenario.sink, "2525"),
        nodelay=home / "nodelay",
        mda=home / "mda",
        target_user="target",
        ssh="ssh joe@mail.example.org imapd" if scenario.ssh else "",
    )


def test_every_scenario_is_there_once() -> None:
    assert tuple(one.name for one in SCENARIOS) == NAMES


def test_daily_use_keeps_the_peers_of_the_goals() -> None:
    by_name = {one.name: one for one in SCENARIOS}
    quick = [one.shortened() for one in SCENARIOS if one.quick is not None]
    assert {one.name for one in quick} >= {"S1", "S3a", "S3m", "S6", "S7-pop3", "S8-imap"}
    assert by_name["S3m"].shortened().peers == ("mpop",)
    assert by_name["S1"].shortened().peers == ("fetchmail",)
    assert all(one.messages <= 1000 for one in quick)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], NAMES),
        (["S6"], ("S6",)),
        (["S7", "S2"], ("S2", "S7-pop3", "S7-imap")),
        (["D1"], ()),
    ],
)
def test_a_name_means_a_scenario_or_all_of_its_kind(
    asked: list[str], found: tuple[str, ...]
) -> None:
    assert tuple(name for name in NAMES if wanted(name, asked)) == found


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["S99"])
    assert "unknown name S99" in capsys.readouterr().err


def test_growth_is_measured_over_its_whole_range() -> None:
    found = {one.name: (one.amounts[0], one.amounts[-1]) for one in SERIES}
    assert found == {"messages": (100, 100_000), "size": (1 << 10, 1 << 30), "accounts": (1, 2000)}
    assert IDLE_GOAL == 40


@each_scenario
def test_every_goal_compares_with_something_that_is_measured(scenario: Scenario) -> None:
    assert scenario.goals or scenario.most_seconds
    assert scenario.floor in FLOORS
    assert {*scenario.peers} <= {*PEERS}
    for goal in scenario.goals:
        assert goal.against in {"floor", "best peer", *scenario.peers}
        assert goal.aim is None or goal.aim < goal.at_most


@each_scenario
def test_every_tool_can_be_told_what_a_scenario_wants(scenario: Scenario, tmp_path: Path) -> None:
    for tool in (*(PEERS[name] for name in scenario.peers), FLOORS[scenario.floor]):
        if tool.name == "getmail":
            continue  # It hands its files to another user, which only root can do.
        one = job(scenario, tmp_path)
        command = tool.prepare(one)
        assert command.words
        assert environment(one, command)["HOME"] == str(tmp_path)


@each_scenario
def test_mailhaul_understands_its_rc_file(scenario: Scenario, tmp_path: Path) -> None:
    MAILHAUL.prepare(job(scenario, tmp_path))
    text = (tmp_path / "fetchmailrc").read_bytes()
    caller = Caller("joe", 1000, str(tmp_path), None, str(tmp_path))
    found = load(["-f", "-"], caller, lambda: text)
    assert found.warnings == ()
    assert len(found.accounts) == scenario.accounts


def test_accounts_at_their_own_hosts_have_an_entry_each(tmp_path: Path) -> None:
    (scenario,) = (one for one in SCENARIOS if one.own_hosts)
    MAILHAUL.prepare(job(scenario, tmp_path))
    text = (tmp_path / "fetchmailrc").read_text()
    assert text.count("poll 127.0.1.") == scenario.accounts
