"""The JSON log: an object for each line, and a record for each message."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from mailhaul.apps.polls.account_lines import AccountLines
from mailhaul.apps.polls.logs import JsonLines
from mailhaul.flows.account import Account
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.report import Counted, Handled, Reading

NOON = 1795435200.0625
TIME = "2026-11-23T12:00:00.062+00:00"


def logged(lines: JsonLines) -> list[dict[str, Any]]:
    assert isinstance(lines.out, StringIO)
    return [json.loads(line) for line in lines.out.getvalue().splitlines()]


def json_lines(verbosity: int = 1) -> JsonLines:
    stream = StringIO()
    return JsonLines(verbosity, stream, stream, lambda: NOON)


def test_each_line_is_an_object_with_its_time_and_level() -> None:
    lines = json_lines(verbosity=2)
    lines.say("a")
    lines.detail("b")
    lines.complain("c")
    lines.begin("d")
    lines.end("d", " e")
    assert logged(lines) == [
        {"time": TIME, "level": "info", "text": "a"},
        {"time": TIME, "level": "debug", "text": "b"},
        {"time": TIME, "level": "error", "text": "c"},
        {"time": TIME, "level": "info", "text": "d e"},
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
    report = AccountLines(lines, account, False, "SMTP")
    fates = (("joe", Verdict.ACCEPTED), ("ann", Verdict.REFUSED))
    report(Counted("Lists/x", 1, 0))
    report(Reading(1, 1, 10, 20))
    report(Handled(1, Outcome(Verdict.ACCEPTED, "", fates), True, uid=77, size=30))
    (record,) = [entry for entry in logged(lines) if "event" in entry]
    assert record == {
        "time": TIME,
        "level": "info",
        "event": "message",
        "account": "joe@server",
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
