"""Every report has all results, and nothing in it comes unescaped from the server."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mailhaul.conformance.faults import WrongUse
from mailhaul.conformance.report.json import SCHEMA, read_run, run_as_json
from mailhaul.conformance.report.junit import junit
from mailhaul.conformance.report.run import ExitCode
from mailhaul.conformance.report.schema_check import faults_of
from mailhaul.conformance.report.tap import tap
from mailhaul.conformance.report.terminal import Style, failures, heading, summary, topic_block
from mailhaul.conformance.report.wire import dialogue, escape, shown, unescape
from mailhaul.conformance.verdicts import Result, Verdict

from .finished_runs import CASES, finished_run, transcript

PLAIN = Style()


def tree(style: Style = PLAIN) -> str:
    run = finished_run()
    lines = [*heading(run)]
    for name, pairs in run.topics().items():
        lines += topic_block(name, pairs, run, style)
    lines += [*failures(run, style), *summary(run, style)]
    return "\n".join(lines) + "\n"


TREE = r"""
pop3 server ours: 10 cases, seed 42
greeting: +OK ready <1@host>

greet
  pass   pop3/greet/1  The greeting is one line.
  info   pop3/greet/2  Two greetings are different. (yes: by the time)

retr
  FAIL   pop3/retr/1  RETR returns what was stored <exactly> & whole.
  FAIL   pop3/retr/2  Lines with a dot are stuffed. (expected: known #17: https://bugs.example.org/17)

uidl
  warn   pop3/uidl/1   Unique ids are short.
  warn   pop3/uidl/2   Unique ids stay. (unstable)
  pass   pop3/uidl/10  Unique ids are not given again. (was expected to fail)

stls
  skip   pop3/stls/1  STLS is not listed inside TLS. (the server does not announce STLS)

lock
  ERROR  pop3/lock/1  A second login is refused.
  ERROR  pop3/lock/2  The lock ends with the session.

Failures, warnings and errors

1) FAIL  pop3/retr/1  (MUST, RFC 1939, section 5)
   requirement: RETR returns what was stored <exactly> & whole.
   expected:    <all> of it
   got:         a part\x1b[2J\x00 \u202e
   transcript:
        0.001 *1  connected
        0.002 S1: +OK ready
        0.003 C1: PASS ***
        0.004 S2: +OK Gr\xfc\xdfe \x1b[31m </pre><script>alert(1)</script>
        0.005 S2: +OK\n
        0.006 C2: QUI (no line end)

2) warn  pop3/uidl/1  (SHOULD, RFC 1939, section 5)
   requirement: Unique ids are short.
   expected:    70
   got:         71

3) warn  pop3/uidl/2  (MUST, RFC 1939, section 5)
   requirement: Unique ids stay.
   expected:    a
   got:         b
   unstable:    expected a, got b; the second run ended with pass

4) ERROR  pop3/lock/1  (MUST, RFC 1939, section 5)
   requirement: A second login is refused.
   reason:      the login of b'joe' fails

5) ERROR  pop3/lock/2  (MUST, RFC 1939, section 5)
   requirement: The lock ends with the session.
   reason:      internal error in x: KeyError()

           pass   fail   warn   info   skip  error
MUST          2      2      1      0      1      2
SHOULD        0      0      1      0      0      0
MAY           0      0      0      1      0      0

1 skipped: the server does not announce STLS
pop3/uidl/10 passes, and known:2 expects fail: remove the line

1 failed, 2 could not be run, 1 as expected (2.2 seconds)
"""


def test_the_tree_and_the_failures() -> None:
    assert tree() == TREE.lstrip("\n")


def test_colour_changes_nothing_else() -> None:
    coloured = tree(Style(colour=True))
    assert "\x1b[31;1mFAIL " in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == tree()


def test_only_the_last_lines_of_a_transcript_are_shown() -> None:
    run = finished_run()
    for number in range(20):
        run.results[2].transcript.add(1.0, 1, "S", b"%d\r\n" % number)
    text = "\n".join(failures(run, PLAIN))
    assert "transcript, the last 12 of 26 lines:" in text
    assert "S1: 8\n" in text
    assert "S1: 7\n" not in text


@pytest.mark.parametrize(
    ("left", "strict", "code"),
    [
        (Verdict, False, ExitCode.FAILED),
        ({Verdict.PASS, Verdict.INFO, Verdict.SKIP, Verdict.WARN}, False, ExitCode.PASSED),
        ({Verdict.WARN}, True, ExitCode.FAILED),
        ({Verdict.SKIP, Verdict.INFO}, True, ExitCode.PASSED),
        ({Verdict.PASS}, True, ExitCode.FAILED),  # of a case that was expected to fail
        ({Verdict.PASS, Verdict.ERROR}, False, ExitCode.HARNESS_BROKE),
        ({Verdict.FAIL, Verdict.ERROR}, False, ExitCode.FAILED),
    ],
)
def test_what_a_run_comes_to(left: Any, strict: bool, code: ExitCode) -> None:
    run = finished_run(strict=strict)
    run.results = [result for result in run.results if result.verdict in left]
    run.cases = [case for case in CASES if case.id in {result.case for result in run.results}]
    assert run.exit_code() is code


def test_known_failures_and_set_up_and_stops() -> None:
    run = finished_run()
    run.cases, run.results = [CASES[3]], [Result("pop3/retr/2", Verdict.FAIL)]
    assert run.exit_code() is ExitCode.PASSED
    run.results = [Result("pop3/retr/2", Verdict.ERROR, "busy")]
    assert run.exit_code() is ExitCode.NOT_SET_UP
    run.results, run.stopped = [Result("pop3/retr/2", Verdict.PASS)], "the run takes too long"
    assert run.exit_code() is ExitCode.NOT_SET_UP


def test_tap() -> None:
    lines = tap(finished_run()).splitlines()
    assert lines[:3] == ["TAP version 14", "1..10", "# pop3 server ours, seed 42"]
    points = [line for line in lines[3:] if not line.startswith("  ")]
    assert points == [
        "ok 1 - pop3/greet/1 The greeting is one line.",
        "ok 2 - pop3/greet/2 Two greetings are different.",
        "not ok 3 - pop3/retr/1 RETR returns what was stored <exactly> & whole.",
        "not ok 4 - pop3/retr/2 Lines with a dot are stuffed."
        " # TODO known \\#17: https://bugs.example.org/17",
        "ok 5 - pop3/uidl/1 Unique ids are short.",
        "ok 6 - pop3/uidl/2 Unique ids stay.",
        "ok 7 - pop3/uidl/10 Unique ids are not given again.",
        "ok 8 - pop3/stls/1 STLS is not listed inside TLS."
        " # SKIP the server does not announce STLS",
        "not ok 9 - pop3/lock/1 A second login is refused.",
        "not ok 10 - pop3/lock/2 The lock ends with the session.",
    ]
    block = lines[lines.index(points[2]) + 1 : lines.index(points[3])]
    assert (block[0], block[-1]) == ("  ---", "  ...")
    assert '  wanted: "<all> of it"' in block
    assert "\x1b" not in "".join(lines)


def test_strict_tap_counts_warnings() -> None:
    lines = tap(finished_run(strict=True)).splitlines()
    assert "not ok 5 - pop3/uidl/1 Unique ids are short." in lines
    assert "not ok 7 - pop3/uidl/10 Unique ids are not given again." in lines


def test_junit() -> None:
    root = ElementTree.fromstring(junit(finished_run()))
    (suite,) = root
    for element in (root, suite):
        counts = [element.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counts == ["10", "1", "2", "2"]
    assert suite.get("timestamp") == "2026-01-05T10:00:00"
    found = {
        str(case.get("name")).split()[0]: [child.tag for child in case if child.tag != "system-out"]
        for case in suite.iter("testcase")
    }
    assert found == {
        "pop3/greet/1": [],
        "pop3/greet/2": [],
        "pop3/retr/1": ["failure"],
        "pop3/retr/2": ["skipped"],
        "pop3/uidl/1": [],
        "pop3/uidl/2": [],
        "pop3/uidl/10": [],
        "pop3/stls/1": ["skipped"],
        "pop3/lock/1": ["error"],
        "pop3/lock/2": ["error"],
    }
    (failure,) = suite.iter("failure")
    assert failure.get("type") == "MUST RFC 1939, section 5"
    assert "expected: <all> of it" in str(failure.text)
    first = next(suite.iter("testcase"))
    assert (first.get("classname"), first.get("time")) == ("pop3.greet", "0.012")
    assert "C1: PASS ***" in str(first.findtext("system-out"))
    assert ElementTree.fromstring(junit(finished_run(strict=True))).get("failures") == "4"


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run_as_json(finished_run()))
    return found


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    return found


def test_json_is_as_its_schema_says() -> None:
    found = document()
    assert [*faults_of(found, schema())] == []
    verdicts = ("pass", "fail", "warn", "info", "skip", "error")
    assert found["counts"] == dict(zip(verdicts, (2, 2, 2, 1, 1, 2), strict=True))
    assert found["exit_code"] == 1
    assert found["capabilities"] == ["UIDL", "SASL PLAIN"]
    result = found["results"][2]
    assert (result["id"], result["verdict"], result["implied"]) == ("pop3/retr/1", "fail", True)
    assert result["transcript"][2]["text"] == r"PASS ***\r\n"
    assert "base64" not in result["transcript"][2]
    assert result["transcript"][3]["base64"]
    assert found["results"][3]["known"]["verdict"] == "fail"
    assert "open sesame" not in json.dumps(found)


def test_the_schema_names_everything_that_is_written() -> None:
    found, known = document(), schema()

    def names(value: dict[str, Any], about: dict[str, Any]) -> None:
        assert value.keys() <= about["properties"].keys()
        assert set(about["required"]) <= about["properties"].keys()

    names(found, known)
    for result in found["results"]:
        names(result, known["$defs"]["result"])
        for entry in result["transcript"]:
            names(entry, known["$defs"]["entry"])


BAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "results[0].verdict is none of": lambda found: found["results"][0].update(verdict="good"),
    "results[1] has no id": lambda found: found["results"][1].pop("id"),
    "name is not of type string": lambda found: found.update(name=7),
    "strict is not of type boolean": lambda found: found.update(strict=1),
    "seed is not of type": lambda found: found.update(seed=True),
    "date does not match": lambda found: found.update(date="today"),
    "counts.score is not known": lambda found: found["counts"].update(score=99),
    "counts.fail is less than 0": lambda found: found["counts"].update(fail=-1),
    "results[2].id does not match": lambda found: found["results"][2].update(id="<b>"),
    "has version 2": lambda found: found.update(version=2),
    "is no result": lambda found: found.update(format="junit"),
}


@pytest.mark.parametrize("problem", BAD)
def test_a_wrong_document_is_refused_with_its_place(problem: str, tmp_path: Path) -> None:
    path, found = tmp_path / "run.json", copy.deepcopy(document())
    BAD[problem](found)
    path.write_text(json.dumps(found))
    with pytest.raises(WrongUse) as refusal:
        read_run(str(path))
    assert problem in str(refusal.value)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_result_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(text)
    with pytest.raises(WrongUse, match=r"run\.json is no"):
        read_run(str(tmp_path / "run.json"))


def test_octets_are_shown_and_can_be_read_back() -> None:
    octets = bytes(range(256)) + b"\\x41\\r\\n"
    assert escape(octets).isascii()
    assert escape(octets).isprintable()
    assert unescape(escape(octets)) == octets
    assert shown(b"a\r\nb\r\n") == ["a", "b"]
    assert shown(b"a\rb\n") == [r"a\rb\n"]
    assert shown(b"") == [" (no line end)"]
    assert shown(b"x" * 3000)[0].endswith("x ... (3000 octets)")


def test_one_session_needs_no_number() -> None:
    found = transcript()
    found.entries = found.entries[:3]
    assert [*dialogue(found)] == [
        "   0.001 *  connected",
        "   0.002 S: +OK ready",
        "   0.003 C: PASS ***",
    ]
