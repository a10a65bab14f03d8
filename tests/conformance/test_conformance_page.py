"""What docs/conformance.md shows exists: options, exit codes, the list, a script that parses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mailhaul.apps.conformance.listing import table
from mailhaul.apps.conformance.main import COMMANDS, conformance
from mailhaul.apps.polls.lines import Lines
from mailhaul.conformance.expectations import parse_line
from mailhaul.conformance.report.run import ExitCode
from mailhaul.conformance.suites import load_suite
from mailhaul.conformance.verdicts import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()


def test_every_option_exists(capsys: pytest.CaptureFixture[str]) -> None:
    known: set[str] = set()
    for word in COMMANDS:
        with pytest.raises(SystemExit):
            conformance([word, "--help"], Lines(1))
        known |= set(re.findall(r"--[a-z0-9-]+", capsys.readouterr().out))
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z0-9-]*", PAGE))
    # These belong to other programs.
    assert named - known == {"--exec-mail", "--pop3-port", "--maildirs", "--short"}


def test_every_exit_code_and_verdict_is_explained() -> None:
    for code in ExitCode:
        assert f"| {int(code)} | " in PAGE
    for verdict in Verdict:
        assert f"| `{verdict}` | " in PAGE


def test_the_list_is_as_shown() -> None:
    assert table([load_suite("pop3").cases["pop3/dele/1"]]).rstrip() in PAGE


def test_the_known_failures_are_understood() -> None:
    lines = re.findall(r"^    (pop3/\S+ +(?:fail|warn|error) .*)$", PAGE, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        assert parse_line(line, "page", load_suite("pop3").cases).reason


def test_the_script_is_one() -> None:
    script = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert script
    done = subprocess.run(["sh", "-n"], input=script[1], text=True, check=False)
    assert done.returncode == 0
