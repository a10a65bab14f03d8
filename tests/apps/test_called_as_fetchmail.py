"""Called by a link with the name ``fetchmail``, the program speaks under that name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mailhaul.apps.cli.version import release_line
from mailhaul.apps.polls.logs import Syslog


@pytest.fixture
def fetchmail(tmp_path: Path) -> Path:
    """A program of that name, as an installed one: a script that a link leads to."""
    script = tmp_path / "mailhaul"
    script.write_text(f"#!{sys.executable}\nfrom mailhaul.__main__ import program\nprogram()\n")
    script.chmod(0o755)
    link = tmp_path / "fetchmail"
    link.symlink_to(script)
    return link


def run(link: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(link.parent),
        "FETCHMAILHOME": str(link.parent),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return subprocess.run(
        [link, *words], env=environment, capture_output=True, text=True, check=False
    )


def test_scripts_find_name_and_number_in_the_first_line(fetchmail: Path) -> None:
    done = run(fetchmail, "--version")
    # What shell scripts do: fetchmail -V | sed -n 's/^This is fetchmail release \([0-9.]*\).*/\1/p'
    found = re.match(r"This is fetchmail release (\d+)\.(\d+)\.(\d+)\+", done.stdout)
    assert (done.returncode, found and tuple(map(int, found.groups()))) == (0, (6, 4, 0))


def test_under_its_own_name_it_has_its_own_number() -> None:
    assert release_line("mailhaul").startswith("This is mailhaul release ")
    assert release_line("link").startswith("This is mailhaul release ")


def test_usage_and_errors_name_fetchmail(fetchmail: Path) -> None:
    assert run(fetchmail, "--help").stdout.startswith("usage: fetchmail [options] [server ...]\n")
    assert run(fetchmail, "--quit").stderr == "fetchmail: no other fetchmail is running\n"
    done = run(fetchmail, "-f", "/nowhere")
    assert done.stderr.startswith("fetchmail: no mailservers have been specified")


def test_syslog_has_the_name_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import syslog

    opened: list[str] = []
    sent: list[str] = []
    monkeypatch.setattr(syslog, "openlog", lambda ident, *_: opened.append(ident))
    monkeypatch.setattr(syslog, "syslog", lambda _, text: sent.append(text))
    Syslog("fetchmail", errors=False).write("fetchmail: starting\n")
    assert (opened, sent) == (["fetchmail"], ["starting"])
