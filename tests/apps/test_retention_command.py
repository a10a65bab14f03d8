"""``mailhaul retention`` on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.flows.account import Action
from mailhaul.flows.ledger import Acceptance
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.retention import DAY, Standing
from mailhaul.flows.source import Listed

WHOLE = "joe@mail.example.org"
RC = """
poll mail.example.org protocol imap user joe password sesame delete-after 30d delete-limit 5
poll other.example.org protocol imap user ann password sesame keep
"""


def retention(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mailhaul", "retention", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.defpath,
            "HOME": str(home),
            "TZ": "UTC",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        },
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an rc file, and no ledger."""
    rc = tmp_path / ".fetchmailrc"
    rc.write_text(RC)
    rc.chmod(0o600)
    return tmp_path


@pytest.fixture
def ledger(home: Path) -> SqliteLedger:
    """A ledger with three messages: two were delivered 40 days ago, one today."""
    now = time.time()
    moment = now - 40 * DAY
    folder = home / ".local" / "state" / "mailhaul"
    ledger = SqliteLedger(str(folder / "ledger.db"), lambda: moment)
    page = ledger.page(f"imap {WHOLE}", "smtp localhost", "INBOX", 1)
    outcome = Outcome(Verdict.ACCEPTED, "", (("joe", Verdict.ACCEPTED),))
    for uid in (7, 8, 9):
        if uid == 9:
            moment = now
        page.offer(uid, 100 * uid)
        page.accept([Acceptance(uid, 100 * uid, Action.MARK, outcome, b"12345678")])
        page.mark_seen([Listed(uid)])
    page.retention().note(Standing(30 * DAY, int(now), int(now), held="for a test"))
    ledger.close()
    return ledger


def test_before_the_first_poll_there_is_nothing_and_no_ledger_is_made(home: Path) -> None:
    done = retention(home)
    assert (done.returncode, done.stdout) == (1, "nothing was delivered yet\n")
    assert [path.name for path in home.iterdir()] == [".fetchmailrc"]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("words", [[], ["list"], ["joe"], ["list", WHOLE]])
def test_the_plan_says_how_many_since_when_and_what_holds_them(
    home: Path, words: list[str]
) -> None:
    done = retention(home, *words)
    head, row = done.stdout.splitlines()
    assert head.split() == [*("ACCOUNT", "MAILBOX", "AFTER", "DELIVERED", "OLDEST", "DUE", "STATE")]
    oldest = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 40 * DAY))
    assert row.split()[:6] == [WHOLE, "INBOX", "30d", "3", oldest, "2"]
    assert row.endswith("the first deletions come a day after this announcement")


def test_the_messages_are_shown_and_confirmed(home: Path, ledger: SqliteLedger) -> None:
    done = retention(home, "show", "joe")
    assert [line.split()[2] for line in done.stdout.splitlines()] == ["7", "8"]
    done = retention(home, "confirm", "joe")
    assert "2 message(s) may be deleted; each poll deletes at most 5" in done.stdout
    assert retention(home).stdout.splitlines()[1].endswith("at most 5 in each poll")
    found = ledger.page(f"imap {WHOLE}", "s", "INBOX", 1).retention().look(30 * DAY)
    ledger.close()
    assert (found.due, found.unconfirmed) == (2, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ann"], '"ann" has "delete-after" in'),
        (["confirm"], "invalid arguments"),
        (["show", ""], "invalid arguments"),
        (["--all"], "invalid arguments"),
    ],
)
def test_wrong_arguments_do_nothing(home: Path, words: list[str], said: str) -> None:
    done = retention(home, *words)
    assert done.returncode == 5
    assert said in done.stderr
