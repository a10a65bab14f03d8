"""fetchmail and mailhaul read the same random files and command lines, and agree on their meaning.

MAILHAUL_RC_FILES says how many (150 are enough for every day), MAILHAUL_RC_SEED where to begin. A
difference names its seed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mailhaul.apps.main import main

from .rc_files import Writer

pytestmark = pytest.mark.real

COUNT = int(os.environ.get("MAILHAUL_RC_FILES", "150"))
SEED = int(os.environ.get("MAILHAUL_RC_SEED", "1"))

Dump = dict[str, Any]


def evaluated(text: str) -> Dump | None:
    """Return what a dump says; None for one that is no Python, as fetchmail's sometimes is."""
    names: Dump = {}
    # Control characters are dumped as \0x04, which Python reads otherwise.
    source = re.sub(r"(?<!\\)((?:\\\\)*)\\0x", r"\1\\x", text)
    try:
        exec(source, names)
    except SyntaxError:
        return None
    dump: Dump = names["fetchmailrc"]
    return dump


class Programs:
    """Both programs, with the same file in the same home."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._home = home
        self._capsys = capsys
        self._rcfile = home / "rc"

    def write(self, text: str) -> None:
        self._rcfile.write_text(text)
        self._rcfile.chmod(0o600)

    def fetchmail(self, arguments: list[str]) -> tuple[int, str, str]:
        program = shutil.which("fetchmail")
        assert program, "fetchmail is not installed: tests/real/install.sh"
        done = subprocess.run(
            [program, "--configdump", "-f", str(self._rcfile), *arguments],
            capture_output=True,
            cwd=self._home,
            env={"PATH": os.environ["PATH"], "HOME": str(self._home)},
            check=False,
        )
        return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")

    def mailhaul(self, arguments: list[str]) -> tuple[int, str, str]:
        code = main(["--configdump", "-f", str(self._rcfile), *arguments])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Programs:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FETCHMAILHOME", "MAILHAULHOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Programs(tmp_path, capsys)


MORE_THAN_FETCHMAIL = (
    "idle mode does not work for multiple folders or accounts",
    "missing IP interface address",
    "invalid IP interface address",
    "LMTP can't use default SMTP port",
    "KERBEROS v4 support is configured, but not compiled in",
)
"""What fetchmail refuses in a file that mailhaul may read: IDLE watches any number of folders, what
is only history is refused when an account that uses it is polled, and ``lmtp`` does not matter
where an MDA or a BSMTP file takes the mail."""
LESS_THAN_FETCHMAIL = (
    *("is ambiguous", "unrecognized option", "allow an argument", "requires an argument"),
)
"""What fetchmail complains of on the command line and goes on; mailhaul stops."""


def meaning(dump: Dump, story: str) -> Dump:
    """Return a dump without what docs/differences.md lists."""
    kept = dict(dump)
    # A log file that is not there is ignored by fetchmail, at this early moment too.
    kept.pop("logfile")
    # To fetchmail "no showdots" and "no tracepolls" mean yes.
    kept.pop("showdots")
    if "tracepolls" in story:
        for server in kept["servers"]:
            server.pop("tracepolls")
    for server in kept["servers"]:
        if "kpop" in story:
            # Kerberos is refused by name when it is used, and has no service of its own.
            server["service"] = server["auth"] = None
        # Less than no time is the usual time; to fetchmail it is no limit at all.
        server["timeout"] = server["timeout"] or 300
        if server["service"] and server["service"].isdigit():
            server["service"] = int(server["service"])
        for user in server["users"]:
            # Fetchmail invents a password where none is needed.
            if user["password"] == user["remote"]:
                user["password"] = None
            user["smtphunt"] = user["smtphunt"] or ["localhost"]
            # A name that is mapped to itself is one name.
            names = user["localnames"]
            user["localnames"] = [n if isinstance(n, tuple) else (n, n) for n in names]
    return kept


def test_random_files_and_command_lines_mean_the_same(programs: Programs) -> None:
    unreadable = refused = 0
    for seed in range(SEED, SEED + COUNT):
        writer = Writer(seed)
        text, arguments = writer.file(), writer.command_line()
        programs.write(text)
        code, theirs, complaint = programs.fetchmail(arguments)
        our_code, ours, our_complaint = programs.mailhaul(arguments)
        story = f"seed {seed}: {arguments}\n{text}"
        if any(text in complaint for text in MORE_THAN_FETCHMAIL):
            continue
        if 'a second "defaults"' in our_complaint:
            # To fetchmail that is a server of this name.
            continue
        if code < 0:
            # Fetchmail crashes on some files.
            continue
        if any(text in complaint for text in LESS_THAN_FETCHMAIL):
            assert our_code == 5, story
            continue
        assert our_code == code, story + complaint
        if code:
            refused += 1
            continue
        expected, found = evaluated(theirs), evaluated(ours)
        if expected is None:
            unreadable += 1
            continue
        assert found is not None, story
        assert meaning(found, story) == meaning(expected, story), story
    print(f"{COUNT} files from seed {SEED}: {refused} refused by both, {unreadable} dumps of")
    print("fetchmail that are no Python")
    assert 0.1 * COUNT < refused < 0.7 * COUNT
    assert unreadable < 0.2 * COUNT
