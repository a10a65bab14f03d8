"""The JSON log: an object for each line, and a record for each message."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from io import StringIO
from typing import Any, get_args

import pytest

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.apps.cli.schema import schema_of
from mailhaul.apps.polls.logs import JsonLines
from mailhaul.apps.polls.poll import AccountLines, report_end, report_failure
from mailhaul.flows.account import Account
from mailhaul.flows.fate import Fate
from mailhaul.flows.outcome import ExitCode, Outcome, PollFailed, Verdict
from mailhaul.flows.report import (
    Counted,
    Event,
    Handled,
    LimitReached,
    Planned,
    Reading,
    Remark,
    Returned,
    Skipped,
)
from mailhaul.flows.source import Listed

NOON = 1795435200.0625
TIME = "2026-11-23T12:00:00.062+00:00"


def logged(lines: JsonLines) -> list[dict[str, Any]]:
    assert isinstance(lines.out, StringIO)
    return [json.loads(line) for line in lines.out.getvalue().splitlines()]


def json_lines(verbosity: int = 1) -> JsonLines:
    stream = StringIO()
    return JsonLines(verbosity, stream, stream, lambda: NOON)


def line(level: str, text: str, account: str | None = None, code: str | None = None) -> Any:
    about = {"event": "line", "account": account, "code": code}
    return {"time": TIME, "level": level, **about, "text": text}


def test_each_line_is_an_object_with_its_time_and_level() -> None:
    lines = json_lines(verbosity=2)
    lines.say("a")
    lines.detail("b")
    lines.complain("c")
    lines.begin("d")
    lines.end("d", " e")
    assert logged(lines) == [
        line("info", "a"),
        line("debug", "b"),
        line("error", "c"),
        line("info", "d e"),
    ]


def test_lines_of_two_accounts_do_not_mix() -> None:
    lines = json_lines()
    joe, ann = (
        AccountLines(lines, Account(f"imap {who}@server", who, "server", "server"), False, "SMTP")
        for who in ("joe", "ann")
    )
    joe(Reading(1, 2, 10, 20))
    ann(Reading(5, 5, 10, 20))
    for report, number in ((joe, 1), (ann, 5)):
        report(Handled(number, Outcome(Verdict.ACCEPTED), True))
    texts = [entry["text"].split(" (")[0] for entry in logged(lines) if "text" in entry]
    assert texts == ["reading message joe@server:1 of 2", "reading message ann@server:5 of 5"]


def test_silent_means_errors_only() -> None:
    lines = json_lines(verbosity=0)
    lines.say("a")
    lines.detail("b")
    lines.record({"outcome": "accepted"})
    lines.complain("c")
    assert [entry["text"] for entry in logged(lines)] == ["c"]


def test_a_message_has_a_record_without_a_word_of_its_own() -> None:
    lines = json_lines()
    account = Account("imap joe@server", "joe", "server", "true.example.org")
    report = AccountLines(lines.of("joe@server"), account, False, "SMTP")
    fates = (("joe", Verdict.ACCEPTED), ("ann", Verdict.REFUSED))
    report(Counted("Lists/x", 1, 0))
    report(Reading(1, 1, 10, 20))
    report(Handled(1, Outcome(Verdict.ACCEPTED, "", fates), True, uid=77, size=30))
    (record,) = [entry for entry in logged(lines) if entry["event"] == "message"]
    assert record == {
        "time": TIME,
        "level": "info",
        "event": "message",
        "account": "joe@server",
        "code": "SUCCESS",
        "folder": "Lists/x",
        "uid": "77",
        "size": 30,
        "sink": "SMTP",
        "outcome": "accepted",
        "reason": "",
        "recipients": ["accepted", "refused"],
        "deleted": True,
    }


def test_external_text_is_escaped_truncated_and_without_passwords() -> None:
    lines = json_lines()
    lines.hide("secret-word")
    lines.complain("\x1b[31m" + "secret-word " + "x" * 1000)
    lines.record({"reason": "550 secret-word\r\n\u202e", "uid": "a\x07b"})
    shown, record = logged(lines)
    assert shown["text"].startswith("\\x1b[31m* xxx")
    assert len(shown["text"]) < 600
    assert record["reason"] == "550 *\\r\\n\\u202e"
    assert record["uid"] == "a\\x07b"


def test_every_kind_of_record_is_as_the_schema_says() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    lines = json_lines(verbosity=2)
    poll = lines.of("joe@server (Lists)")
    account = Account("imap joe@server", "joe", "server", "true.example.org")
    report = AccountLines(poll, account, True, "SMTP")
    refused = Outcome(Verdict.REFUSED, "550 no", (("joe", Verdict.REFUSED),), (), "careful")
    events: Sequence[Event] = (
        Counted("INBOX", 9, 2, 900),
        Planned("INBOX", (Listed(1, 10),), 0),
        Reading(1, 9, 10, 20),
        Handled(1, Outcome(Verdict.ACCEPTED), True, uid=1, size=30),
        Handled(2, refused, False, Fate.DISCARD, uid=2, size=30),
        Returned(3, (b"ann@example.org",), True, True, uid=b"x"),
        Skipped(4, 5000, "oversized", False),
        LimitReached(3, 4),
        Remark("something", error=True),
        Remark("something else", error=False),
    )
    for event in events:
        report(event)
    assert {type(event) for event in events} == set(get_args(Event))
    settings = load_entry("poll h protocol imap user joe password x mda cat")
    for code in ExitCode:
        if code is ExitCode.SUCCESS:
            report_end(code, settings, poll)
        else:
            report_failure(PollFailed(code, "a word"), settings, poll)
    lines.say("starting", "", "")
    records = logged(lines)
    validator = jsonschema.Draft202012Validator(schema_of("log"))
    for record in records:
        validator.validate(record)
    *of_poll, starting = records
    assert {record["account"] for record in of_poll} == {"joe@server (Lists)"}
    assert (starting["account"], starting["code"]) == (None, None)
    ends = {record["code"]: record["level"] for record in records if record["event"] == "poll"}
    assert {code for code, level in ends.items() if level == "info"} == {
        *("SUCCESS", "NOMAIL", "MAXFETCH", "EXCLUDE")
    }
    assert ends.keys() == {code.name for code in ExitCode}


def test_no_mail_is_no_error() -> None:
    lines = json_lines()
    poll = lines.of("joe@server")
    account = Account("imap joe@server", "joe", "server", "true.example.org")
    AccountLines(poll, account, False, "SMTP")(Counted("INBOX", 0, 0))
    report_end(ExitCode.NOMAIL, load_entry("poll h proto imap user joe mda cat"), poll)
    said, end = logged(lines)
    assert (said["level"], said["text"]) == ("info", "No mail for joe at server")
    assert (end["level"], end["event"], end["code"]) == ("info", "poll", "NOMAIL")


def load_entry(text: str) -> AccountSettings:
    (settings,) = load(
        ["-f", "-"], Caller("me", os.getuid(), "/home/me", None, "/"), text.encode
    ).accounts
    return settings
