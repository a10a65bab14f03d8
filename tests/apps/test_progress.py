"""The progress output of a run."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from mailhaul.adapters.ledger.results import entry_results
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.polls.dots import DottedPacker
from mailhaul.apps.polls.lines import Lines
from mailhaul.flows.outcome import GOOD, ExitCode
from mailhaul.flows.parcel import DeliveryRules
from mailhaul.protocols.message.outgoing import HeaderRules

from .bad.running import account, mailhaul
from .bad.scripted_imap import ScriptedImap, message


def test_dots_are_for_octets_and_stars_for_lines() -> None:
    shown: list[str] = []
    rules = HeaderRules("imap", "joe", None)
    packer = DottedPacker(DeliveryRules("joe", "here", rules), shown.append)
    packer.scan(b"Subject: x\r\n\r\none\r\n")
    packer.beginning()
    packer.convert(b"x" * 2500 + b"\r\n")
    packer.convert(b"\r\n" * 3)
    assert shown == [" #*", "..*", "***"]


def test_signs_go_on_with_the_line_that_was_begun_and_with_no_other() -> None:
    out = StringIO()
    lines = Lines(1, out, out)
    poll = lines.of("joe@host")
    poll.begin("reading message")
    poll.progress(" #" + "*" * 1000)
    poll.end("reading message", " flushed")
    poll.progress("***")
    assert out.getvalue() == f"reading message #{'*' * 1000} flushed\n"


def test_showdots_shows_them_and_nothing_else_does(tmp_path: Path) -> None:
    for option in ("--showdots", ""):
        with ScriptedImap(message(1)) as server:
            run = mailhaul(tmp_path, account(server.port, "mda cat"), *option.split())
        assert ("octets) #*" in run.out) == bool(option)
        assert run.out.rstrip().endswith(" flushed")


def test_a_run_records_which_accounts_were_polled_successfully(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        mailhaul(tmp_path, account(server.port, "mda cat"))
    [ledger] = tmp_path.rglob("ledger.db")
    [(key, when)] = SqliteLedger(str(ledger)).last_success().items()
    assert "@" in key
    assert when > 1.7e9


def test_a_run_records_how_each_poll_ended_and_in_which_words(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        good = account(server.port, "mda cat")
        bad = good.replace("localhost", "127.0.0.1").replace(f" {server.port} ", " 9 ")
        # One after the other, and side by side.
        for options, polls in ((["--one-by-one"], 1), ([], 2)):
            mailhaul(tmp_path, good + bad, *options)
            [path] = tmp_path.rglob("ledger.db")
            ledger = SqliteLedger(str(path))
            well, failed = sorted(entry_results(ledger).values(), key=lambda one: one.failures)
            ledger.close()
            assert (well.polls, well.failures, well.code in GOOD) == (polls, 0, True)
            assert (failed.polls, failed.failures, failed.code) == (polls, polls, ExitCode.SOCKET)
            assert "Connection refused" in failed.error_words
    assert (well.fetched, well.delivered) == (1, 1)
    assert well.octets > 0
    assert well.seconds > 0


def test_a_test_run_records_nothing(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        mailhaul(tmp_path, account(server.port, "mda cat"), "--check")
    for path in tmp_path.rglob("ledger.db"):
        assert entry_results(SqliteLedger(str(path))) == {}
