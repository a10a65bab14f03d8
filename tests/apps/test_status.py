"""``mailhaul status``: what the ledger and a daemon know, as a table and as a document."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.ledger.rests import REACHED, set_rest
from mailhaul.adapters.ledger.results import EntryResult, Waiting
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.cli.commands import Misused
from mailhaul.apps.cli.status import status
from mailhaul.apps.cli.status_table import seconds, table
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.status import (
    DaemonFacts,
    EntryStatus,
    Live,
    document,
    exit_code,
    together,
)
from mailhaul.apps.polls.times import ago, iso, span, until
from mailhaul.flows.outcome import ExitCode, Outcome, PollFailed, Verdict

NOW = 1_795_435_200
RC = """
poll mail.example.org protocol imap
    user joe password x mda cat
    user joe password x folder Lists,Work mda cat
poll pop.example.net protocol pop3 user ann password x mda cat
skip old.example.net protocol pop3 user ann password x mda cat
"""
JOE, LISTS, ANN = "joe@mail.example.org", "joe@mail.example.org (Lists,Work)", "ann@pop.example.net"


class Home:
    """A home with an rc file and a ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.caller = Caller("me", os.getuid(), str(folder), None, str(folder))
        self.path = folder / ".local" / "state" / "mailhaul" / "ledger.db"
        self.said = StringIO()

    def write(self, rc: str, name: str = ".fetchmailrc") -> None:
        path = self.folder / name
        path.write_text(rc)
        path.chmod(0o600)

    def ledger(self) -> SqliteLedger:
        return SqliteLedger(str(self.path), lambda: time.time() - 7200)

    def status(self, *arguments: str) -> ExitCode:
        return status(arguments, self.caller, Lines(1, self.said, self.said))

    def document(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
        self.status("--json", *arguments)
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return Home(tmp_path)


def named(found: dict[str, Any]) -> dict[str, Any]:
    return {account["account"]: account for account in found["accounts"]}


def test_before_the_first_poll_all_entries_are_there_and_nothing_is_created(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write(RC)
    assert home.status() is ExitCode.NOMAIL
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in shown[1:4]] == [JOE, LISTS, ANN]
    assert all("never polled" in line for line in shown[1:4])
    assert shown[-1] == "3 entries, 3 never polled; no daemon is running"
    assert [path.name for path in home.folder.iterdir()] == [".fetchmailrc"]


def test_two_entries_of_one_user_do_not_hide_each_other(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write(RC)
    ledger = home.ledger()
    ledger.record_result(JOE, time.time() - 30, ExitCode.NOMAIL)
    ledger.record_result(LISTS, time.time() - 30, ExitCode.AUTHFAIL, "login refused")
    for mailbox in ("INBOX", "Work", "Work", "Other"):
        page = ledger.page("imap joe@mail.example.org", "mda cat", mailbox, 1)
        page.offer(7 if mailbox == "INBOX" else 8, 10)
    found = named(home.document(capsys))
    assert list(found) == [JOE, LISTS, ANN]
    assert [found[name]["health"] for name in found] == ["ok", "failing", "unknown"]
    assert found[LISTS]["last_error"]["text"] == "login refused"
    assert (found[JOE]["waiting"]["queued"], found[LISTS]["waiting"]["queued"]) == (1, 1)
    assert home.status("--json") is ExitCode.ERROR


def test_quarantined_and_refused_messages_are_told(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write(RC)
    ledger = home.ledger()
    page = ledger.page("pop3 ann@pop.example.net", "mda cat", "INBOX", 0)
    for uid in (b"a", b"b", b"c"):
        page.offer(uid, 10)
        page.reject(uid, 10, Outcome(Verdict.REFUSED, "550 no"))
    page.set_aside(b"c")
    ledger.record_result(ANN, time.time(), ExitCode.SUCCESS)
    assert home.status() is ExitCode.SUCCESS
    shown = capsys.readouterr().out
    assert "2 messages not delivered yet, the oldest for 2 h" in shown
    assert '1 message in quarantine: "mailhaul quarantine" lists them' in shown


def test_accounts_at_rest_are_told_until_when_and_why(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write(RC.replace("ann password x", "ann password x daylimit 1m", 1))
    ledger = home.ledger()
    now = time.time()
    for name in (JOE, ANN):
        ledger.record_result(name, now - 60, ExitCode.NOMAIL)
    backoff = "the server wants a rest: Suggested Backoff Time: 299923 ms"
    set_rest(ledger, "imap joe@mail.example.org", now + 1859, backoff)
    set_rest(ledger, "pop3 ann@pop.example.net", now + 7259, REACHED, 1_048_576)
    found = named(home.document(capsys))
    joe = {"until": iso(int(now + 1859)), "reason": backoff, "daylimit": None}
    assert (found[JOE]["rest"], found[LISTS]["rest"]) == (joe, joe)
    assert found[ANN]["rest"]["daylimit"] == 1_048_576
    assert home.status() is ExitCode.SUCCESS
    text = " ".join(capsys.readouterr().out.split())
    when = time.strftime("%d %b %H:%M", time.localtime(int(now + 1859) + 59))
    assert f"at rest, not polled before {when} (in 30 min): {backoff[:20]}" in text
    assert "(in 2 h): the daylimit is reached" in text
    # Without an rc file, and with another limit in it.
    home.write(RC)
    assert named(home.document(capsys))[ANN]["rest"] is None
    (home.folder / ".fetchmailrc").unlink()
    assert named(home.document(capsys))[JOE]["rest"] == joe
    # What is over, and what a wrong clock has written, is no rest.
    ledger.write(lambda db: db.execute("UPDATE rest SET until = ?", (now - 5,)))
    assert named(home.document(capsys))[JOE]["rest"] is None
    ledger.write(lambda db: db.execute("UPDATE rest SET until = ?", (now + 99 * 86400,)))
    assert named(home.document(capsys))[JOE]["rest"] is None


def test_without_an_rc_file_everything_in_the_ledger_is_shown(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = home.ledger()
    for name in (JOE, "eve@elsewhere.example"):
        ledger.record_result(name, time.time(), ExitCode.NOMAIL)
    assert list(named(home.document(capsys))) == ["eve@elsewhere.example", JOE]
    assert home.said.getvalue() == ""


def test_another_rc_file_can_be_named_and_faults_of_it_are_errors(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write("poll other.example.org protocol imap user joe password x mda cat\n", "other")
    path = str(home.folder / "other")
    assert list(named(home.document(capsys, "-f", path))) == ["joe@other.example.org"]
    home.write("poll poll", "other")
    with pytest.raises(PollFailed, match="other:1"):
        home.status(f"--fetchmailrc={path}")
    home.write("poll poll")
    assert home.status() is ExitCode.NOMAIL
    assert "all entries in the ledger are shown" in home.said.getvalue()


@pytest.mark.parametrize(
    "words", [["--yaml"], ["--json", "--watch"], ["joe"], ["-f"], ["--textfile="]]
)
def test_other_arguments_are_refused(home: Home, words: Sequence[str]) -> None:
    with pytest.raises(Misused, match="invalid arguments"):
        home.status(*words)


def test_a_textfile_is_replaced_as_a_whole(home: Home) -> None:
    home.write(RC)
    path = home.folder / "mailhaul.prom"
    for _ in range(2):
        assert home.status("--textfile", str(path)) is ExitCode.SUCCESS
    assert f'mailhaul_last_poll_timestamp_seconds{{account="{ANN}"}} 0' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
    assert sorted(one.name for one in home.folder.iterdir()) == [".fetchmailrc", "mailhaul.prom"]
    with pytest.raises(PollFailed, match="no such"):
        home.status("--textfile", str(home.folder / "no such" / "x.prom"))


def entry(name: str, code: ExitCode | None, **more: Any) -> EntryStatus:
    live, waiting = more.pop("live", None), more.pop("waiting", Waiting("", ""))
    result = EntryResult(name, NOW - 60 if code is not None else 0, code, **more)
    return EntryStatus(name, result, waiting, None, live)


BAD = {"failures": 3, "since": NOW - 90_000, "error_time": NOW - 60, "error_code": ExitCode.SOCKET}


def test_the_exit_code_tells_whether_all_is_well() -> None:
    good, new = entry("a", ExitCode.NOMAIL, success=NOW), entry("b", None)
    bad = entry("c", ExitCode.SOCKET, **BAD)
    parked = entry("d", ExitCode.NOMAIL, success=NOW, live=Live("parked"))
    busy = entry("e", ExitCode.EXCLUDE)
    assert exit_code([]) is exit_code([new]) is ExitCode.NOMAIL
    assert exit_code([good, new]) is exit_code([busy]) is ExitCode.SUCCESS
    assert exit_code([good, bad]) is exit_code([parked]) is ExitCode.ERROR


def shown(*entries: EntryStatus, daemon: DaemonFacts | None = None, width: int = 80) -> list[str]:
    return table(document(entries, daemon, NOW), width).splitlines()


def test_the_table_fits_eighty_columns() -> None:
    long = "someone.with.a.long.name@imap.mail.example.org (Lists, Work and many others)"
    words = "mail.example.org: the server refused the login: " + "very long words " * 20
    lines = shown(
        entry("joe@mail.example.org", ExitCode.SUCCESS, success=NOW - 60, live=Live("waiting", 3)),
        entry(long, ExitCode.AUTHFAIL, **BAD, error_words=words, live=Live("parked", 3, NOW + 999)),
        daemon=DaemonFacts(1234, NOW - 3600, 300, 2),
    )
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["ACCOUNT", "STATE", "POLLED", "RESULT", "SUCCESS", "NEXT"]
    assert lines[1].split() == [
        *("joe@mail.example.org", "waiting", "1", "min", "ago", "mail", "1", "min", "ago", "-"),
    ]
    assert lines[2] == long
    assert lines[3].split() == ["parked", "1", "min", "ago", "AUTHFAIL", "never", "in", "16", "min"]
    assert lines[4].startswith("    failed 3 times in a row, first 1 day ago: mail.example.org")
    assert lines[-2:] == [
        "2 entries, 1 failing",
        "daemon 1234 runs for 1 h, polls every 300 s, 2 connections",
    ]


def test_an_entry_that_fails_is_not_shown_as_waiting() -> None:
    one = entry("a@b", ExitCode.DNS, **BAD, error_words="no", live=Live("waiting", 3, NOW + 60))
    lines = shown(one, daemon=DaemonFacts(1, NOW, 300, 0))
    assert lines[1].split()[:2] == ["a@b", "failing"]


def test_colours_are_around_states_and_notes_and_change_no_text() -> None:
    found = document([entry("a", ExitCode.SOCKET, **BAD, error_words="no\x1b[2J")], None, NOW)
    plain, colour = table(found), table(found, colour=True)
    assert "\033" not in plain
    assert "\033[31mfailing\033[0m" in colour
    for code in ("1", "31", "0"):
        colour = colour.replace(f"\033[{code}m", "")
    assert colour == plain


def test_times_are_relative_for_people_and_utc_for_programs() -> None:
    assert iso(NOW) == "2026-11-23T12:00:00Z"
    assert seconds("2026-11-23T12:00:00Z") == NOW
    assert iso(0) is iso(None) is None
    assert [span(one) for one in (0, 59.9, 60, 3599, 7200, 86400, 200_000)] == [
        *("0 s", "59 s", "1 min", "59 min", "2 h", "1 day", "2 days")
    ]
    assert (ago(NOW - 90, NOW), ago(0, NOW), ago(NOW, NOW)) == ("1 min ago", "never", "now")
    assert ago(NOW - 200 * 86400, NOW).startswith("2026-05-")
    assert (until(NOW + 61, NOW), until(NOW - 9, NOW), until(None, NOW)) == ("in 1 min", "now", "-")


def test_what_waits_in_several_mailboxes_is_added_up() -> None:
    some = [Waiting("a", "INBOX", 1, 2, 3, 500), Waiting("a", "Lists", 10, 20, 30, 400)]
    assert together(some) == Waiting("", "", 11, 22, 33, 400)
    assert together([]).oldest == 0
