"""Wish 7: when no mail is fetched any more, the user hears of it once, not after weeks.

And not at each poll: one message when it stops, one when it works again, and a state that can be
looked at meanwhile. This is for runs from cron, too. freescout#1569 (46 alerts in a minute),
hybridclaw PR#1406 (three weeks before anyone noticed), Mailu#23, osTicket#1351. For tokens, and for
a daemon, osTicket#6455 is in test_02_token_life.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailhaul.apps.cli.status import status
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import ExitCode
from tests.apps.test_single_run_alerts import FAILS, WORKS, Cron
from tests.apps.test_single_run_alerts import cron as cron  # noqa: PLC0414  # a fixture


def look(cron: Cron, capsys: pytest.CaptureFixture[str]) -> tuple[ExitCode, list[Any]]:
    """Run ``mailhaul status --json``; return its exit code and the accounts."""
    home = str(cron.home)
    lines = Lines(1, cron.out, cron.err)
    capsys.readouterr()
    code = status(["--json", "-f", f"{home}/rc"], cron.caller, lines)
    return code, json.loads(capsys.readouterr().out)["accounts"]


def test_46_failures_are_one_mail_and_the_return_is_another(
    cron: Cron, capsys: pytest.CaptureFixture[str]
) -> None:
    cron.run(cron.up)
    code, [account] = look(cron, capsys)
    assert (code, account["health"]) == (ExitCode.SUCCESS, "ok")
    worked = account["last_success"]
    assert worked
    for _ in range(46):
        assert cron.run(cron.down) is ExitCode.SOCKET
    assert cron.subjects == [FAILS]
    code, [account] = look(cron, capsys)
    assert code is ExitCode.ERROR
    assert (account["failures"], account["last_success"]) == (46, worked)
    assert account["failing_since"] >= worked
    assert "Connection refused" in account["last_error"]["text"]
    for _ in range(2):
        cron.run(cron.up)
    assert cron.subjects == [FAILS, WORKS]
    assert look(cron, capsys)[0] is ExitCode.SUCCESS


def test_the_mail_says_what_is_wrong_since_when(cron: Cron) -> None:
    cron.run(cron.up)
    for _ in range(3):
        cron.run(cron.down)
    [path] = (cron.home / "Mail" / "new").glob("*")
    text = path.read_text()
    assert "To: <boss>" in text
    assert "The last 3 polls have failed, since" in text
    assert "Connection refused" in text


def test_of_two_entries_of_one_user_neither_hides_the_other(
    cron: Cron, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is well and the second is not, in each run."""
    second = (
        f"poll one via localhost port {cron.up} proto imap no dns user you pass some-pass-word"
        f' sslproto "" folder Missing maildir "{cron.home}/Mail"\n'
    )
    for _ in range(4):
        cron.arrive()
        cron.run(cron.up, more=second)
    code, accounts = look(cron, capsys)
    assert code is ExitCode.ERROR
    assert [(one["folders"], one["health"]) for one in accounts] == [
        (["INBOX"], "ok"),
        (["Missing"], "failing"),
    ]
    assert cron.subjects == ["mailhaul cannot fetch mail from you@one (Missing) (ERROR)"]


def test_a_script_can_be_told_instead(cron: Cron) -> None:
    facts = "$MAILHAUL_EVENT $MAILHAUL_ACCOUNT $MAILHAUL_FAILURES"
    tell = f"echo {facts} >>{cron.log}"
    options = f"alertafter 1 on-failure '{tell}' on-recovery '{tell}'"
    for _ in range(9):
        cron.run(cron.down, options)
    cron.run(cron.up, options)
    assert cron.ran == ["failure you@one 1", "recovery you@one 0"]
    assert cron.subjects == []
