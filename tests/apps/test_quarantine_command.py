"""``mailhaul quarantine`` on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.adapters.ledger.quarantine import stuck
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.flows.outcome import Outcome, Verdict


def quarantine(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mailhaul", "quarantine", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "HOME": str(home), "TZ": "UTC"},
    )


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    """A ledger with two messages in quarantine."""
    folder = tmp_path / ".local" / "state" / "mailhaul"
    ledger = SqliteLedger(str(folder / "ledger.db"), lambda: 1_790_000_000.0)
    page = ledger.page("imap joe@mail.example.org", "smtp localhost", "INBOX", 1)
    for uid in (7, 8):
        page.offer(uid, 100 * uid)
        page.reject(uid, 100 * uid, Outcome(Verdict.REFUSED, "550 5.6.0 \x1b[2J no"))
        page.set_aside(uid)
    ledger.close()
    return ledger


def test_without_a_poll_no_ledger_is_created(tmp_path: Path) -> None:
    done = quarantine(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "nothing is in quarantine\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["list"]])
def test_the_list_has_a_line_for_each_and_no_controls(
    tmp_path: Path, ledger: SqliteLedger, words: list[str]
) -> None:
    done = quarantine(tmp_path, *words)
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["ID", "ACCOUNT", "MAILBOX", "UID", "OCTETS", "TRIES", "SINCE", "REASON"]
    account = ["imap", "joe@mail.example.org", "INBOX"]
    assert first.split()[1:-4] == [*account, "7", "700", "1", "2026-09-21"]
    assert second.split()[4] == "8"
    assert r"\x1b[2J" in first
    assert done.returncode == 0


def test_the_quarantine_lists_all_details(tmp_path: Path, ledger: SqliteLedger) -> None:
    key = stuck(ledger)[1].key
    done = quarantine(tmp_path, "show", key)
    assert done.stdout == (
        f"id:      {key}\n"
        "account: imap joe@mail.example.org\n"
        "mailbox: INBOX\n"
        "uid:     8\n"
        "octets:  800\n"
        "sink:    smtp localhost\n"
        "tries:   1\n"
        "first:   2026-09-21 14:13:20 +0000\n"
        "last:    2026-09-21 14:13:20 +0000\n"
        "reason:  550 5.6.0 \\x1b[2J no\n"
    )


def test_retry_and_drop_print_what_follows(tmp_path: Path, ledger: SqliteLedger) -> None:
    first, second = (message.key for message in stuck(ledger))
    done = quarantine(tmp_path, "drop", first)
    follows = f"{first} is deleted from the server at the next poll of imap joe@mail.example.org"
    assert (done.returncode, follows in done.stdout) == (0, True)
    done = quarantine(tmp_path, "retry", "all")
    assert f"{second} is offered again at the next poll" in done.stdout
    assert stuck(ledger) == []


@pytest.mark.parametrize("action", ["retry", "drop", "show"])
def test_with_one_wrong_id_nothing_is_done(
    tmp_path: Path, ledger: SqliteLedger, action: str
) -> None:
    done = quarantine(tmp_path, action, stuck(ledger)[0].key, "0badc0de")
    assert (done.returncode, done.stdout) == (5, "")
    assert "no message 0badc0de; nothing is done" in done.stderr
    assert len(stuck(ledger)) == 2


@pytest.mark.parametrize("action", ["retry", "drop", "show"])
def test_an_empty_id_is_refused(tmp_path: Path, ledger: SqliteLedger, action: str) -> None:
    # As when the ledger knows messages that were never offered, whose rows have no name.
    page = ledger.page("imap joe@mail.example.org", "smtp localhost", "INBOX", 1)
    page.reject(9, 900, Outcome(Verdict.REFUSED, "NO"))
    page.set_aside(9)
    ledger.close()
    done = quarantine(tmp_path, action, "")
    assert (done.returncode, done.stdout) == (5, "")
    assert "an ID is empty; nothing is done" in done.stderr
    assert len(stuck(ledger)) == 3


def test_the_usage_text_has_lines(tmp_path: Path) -> None:
    done = quarantine(tmp_path, "eat", "x")
    assert "\\n" not in done.stderr
    assert (
        done.stderr.splitlines()[1]
        == "mailhaul: usage: mailhaul quarantine [list] [--json] [-f FILE]"
    )


@pytest.mark.parametrize(
    "words", [["drop"], ["drop", "all"], ["show"], ["eat", "x"], ["list", "x"]]
)
def test_an_unknown_request_does_nothing(
    tmp_path: Path, ledger: SqliteLedger, words: list[str]
) -> None:
    done = quarantine(tmp_path, *words)
    assert done.returncode == 5
    assert done.stderr
    assert len(stuck(ledger)) == 2
