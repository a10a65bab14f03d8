"""mailhaul in fetchmail's place: exit codes, leading words and what stays at the server, compared.

Each row is run once with either program. Where they differ, docs/differences.md has to say so: a
row of that kind names words of the line there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest

from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.dovecot_services import DovecotServices
from .servers.exim import Exim
from .servers.fetchmail import fetchmail
from .test_side_by_side import Stage, ours, theirs

pytestmark = pytest.mark.real

DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"

NOBODY = 'proto imap port 9 timeout 3 user joe password x sslproto ""'
"""Nobody listens there."""
POLL = f"poll localhost {NOBODY}\n"
SKIP = f"skip localhost {NOBODY}\n"
ASKS = 'poll localhost proto imap port 9 user joe sslproto ""\n'
SOCKET = "Query status=2 (SOCKET)"
NO_PASSWORD = "can't find a password for"


@dataclass(frozen=True)
class Row:
    """A command line and an rc file, the exit code, and how a line begins that both print.

    ``ours`` is mailhaul's exit code where it differs, and ``listed`` what the page says of it.
    """

    arguments: Sequence[str]
    rc: str
    code: int
    words: str = ""
    ours: int | None = None
    listed: str = ""

    def __str__(self) -> str:
        return f"{' '.join(self.arguments)} < {self.rc.strip()[:60]}"


UNKNOWN = "an unknown option, or one without its value"
AMBIGUOUS = "an ambiguous option, or a value for one that takes none"
NOT_SPOKEN = "`pop2`, `rpop`, `kpop` and `odmr`"
ROWS = [
    # Which servers.
    Row([], POLL, 2, SOCKET),
    Row([], SKIP, 1),
    Row([], "", 5, "no mailservers have been specified"),
    Row(["localhost"], SKIP, 2, SOCKET),
    Row(["other.invalid"], POLL, 3, f"{NO_PASSWORD} root@other.invalid"),
    Row(["--", "-c"], POLL, 3, f"{NO_PASSWORD} root@-c"),
    Row([], ASKS, 3, f"{NO_PASSWORD} joe@localhost"),
    Row(["-u", "ann"], ASKS, 3, f"{NO_PASSWORD} ann@localhost"),
    Row([], f"{POLL}poll b.invalid proto imap user j password x\n", 11, SOCKET),
    Row([], f"poll b.invalid proto imap user j password x\n{POLL}", 2, "Query status=11 (DNS)"),
    # What for.
    Row(["-?"], "", 0, "usage:"),
    Row(["--help"], POLL, 0, "usage:"),
    Row(["-V"], POLL, 0, "Options for retrieving from joe@localhost:"),
    Row(["-V"], "", 0, "No mailservers set up -- perhaps"),
    Row(["-c"], SKIP, 1),
    Row(["-c"], POLL, 2),
    Row(["-s"], POLL, 2),
    Row(["-vv"], POLL, 2, SOCKET),
    Row(["-d0"], POLL, 2, SOCKET),
    Row(["-d", "-5"], POLL, 2, SOCKET),
    Row(["--configdump"], POLL, 0, "TRUE=1; FALSE=0"),
    Row(["--conf"], POLL, 0, "TRUE=1; FALSE=0"),
    # The place of -q.
    Row(["-q"], POLL, 8, "no other PROGRAM is running"),
    Row(["-sq"], POLL, 8, "no other PROGRAM is running"),
    Row(["-d300", "--quit"], POLL, 8, "no other PROGRAM is running"),
    Row(["localhost", "-q"], SKIP, 8, "no other PROGRAM is running"),
    Row(["-q", "-s"], SKIP, 1),
    Row(["-qs"], POLL, 2),
    Row(["-q", "localhost"], SKIP, 2, SOCKET),
    # Values on the command line.
    Row(["-t", "x"], POLL, 5),
    Row(["--fetchlimit", "0x10"], SKIP, 1),
    Row(["--fetchlimit", "10k"], SKIP, 5),
    Row(["-Z", "571,550"], SKIP, 1),
    Row(["-Z", "571,x"], SKIP, 5),
    Row(["-p", "Imap"], SKIP, 1),
    Row(["-p", "nosuch"], POLL, 5),
    Row(["--auth", "nosuch"], POLL, 5),
    Row(["--bad-header", "x"], POLL, 5),
    Row(["--port", "0"], POLL, 5),
    Row(["--service", "nosuch"], POLL, 5),
    Row(["-m", "cat", "-S", "h"], POLL, 5),
    Row(["--mda", "a", "--mda", "b"], POLL, 5),
    Row(["-m", "cat", "--bsmtp", "f"], POLL, 5),
    Row(["--sslproto", "tls9"], POLL, 2, SOCKET),
    Row(["--trace"], SKIP, 1),
    Row(["--nosuch"], POLL, 0, ours=5, listed=UNKNOWN),
    Row(["-d"], POLL, 0, ours=5, listed=UNKNOWN),
    Row(["--ssl=1"], SKIP, 0, ours=5, listed=AMBIGUOUS),
    Row(["--s"], SKIP, 0, ours=5, listed=AMBIGUOUS),
    # Files.
    Row(["-f", "/nosuch"], POLL, 5, "no mailservers have been specified"),
    Row(["-f", "/tmp"], POLL, 6, "File /tmp must be a regular file."),
    Row(["-L", "/nosuch"], SKIP, 1, 'Logfile "/nosuch" does not exist, ignoring'),
    Row(["--idfile", "/nosuch/x"], SKIP, 1),
    Row(["--pidfile", "/nosuch/x", "-Nd300"], SKIP, 8),
    # The language of the file.
    Row([], "pol h\n", 5),
    Row([], "poll h proto nosuch\n", 5),
    Row([], "poll h user a proto imap\n", 5),
    Row([], "poll h\ndefaults proto imap\n", 5),
    Row([], "set daemon x\n", 5),
    Row([], "set nosuch\n", 5),
    *(
        Row([], f"skip {word} proto imap user {word} password {word} is {word} here\n", 1)
        for word in ("maildir", "append", "mbox", "fetchread", "sslmode", "appendpassword")
    ),
    *(
        Row([], f"skip h aka {word} proto imap user u password p folder {word}\n", 1)
        for word in ("maildir", "xoauth2", "passwordfile", "forceidle", "appendpassword")
    ),
    *(
        Row([], f"skip h proto imap user u password p folder a {word} is b {word} here\n", 1)
        for word in ("maildir", "mbox", "xoauth2", "passwordfile")
    ),
    # What an entry asks for.
    Row([], "poll h.invalid proto imap user joe password x\n", 11, "Query status=11 (DNS)"),
    Row([], POLL.replace("port 9", "service nosuch"), 5),
    Row([], POLL.replace("port 9", "port 99999"), 5),
    Row([], POLL + ' preconnect "false"', 5, "pre-connection command failed with status 1"),
    Row([], POLL + ' postconnect "false"', 2, SOCKET),
    Row([], POLL.replace("port 9", 'plugin "false"'), 2, SOCKET),
    Row([], POLL.replace("port 9", 'plugin "/nosuch"'), 2, SOCKET),
    Row([], POLL.replace("port 9", 'plugin ""'), 2, "plugin for host localhost service imap is"),
    Row([], f"{POLL} lmtp", 5),
    Row([], POLL.replace("imap", "pop3") + "folder x", 5),
    Row([], f"{POLL} ssl sslproto TLSv1.2", 2, SOCKET),
    Row([], f"{POLL} ssl sslproto ssl3+", 2, SOCKET),
    Row([], POLL.replace("imap", "pop2"), 4, ours=5, listed=NOT_SPOKEN),
    Row([], f"{POLL} sslfingerprint AB", 2, ours=5, listed="`sslfingerprint` is MD5"),
    Row([], f"{POLL} mda \"x '%T'\"", 2, ours=5, listed="`'%T'` in an `mda`"),
]


def said(printed: str, program: str) -> list[str]:
    """Return what was printed, without the program's name before a line, and called PROGRAM."""
    lines = [line.strip().removeprefix(f"{program}: ") for line in printed.splitlines()]
    lines = [line.removeprefix(f"{program}: ") for line in lines]
    return [line.replace(program, "PROGRAM") for line in lines]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_both_end_alike(tmp_path: Path, row: Row) -> None:
    for folder in ("theirs", "ours"):
        (tmp_path / folder).mkdir()
    there = fetchmail(row.rc, tmp_path / "theirs", *row.arguments)
    pidfile = ("--pidfile", str(tmp_path / "ours" / "pid"))
    here = mailhaul(row.rc, tmp_path / "ours", *pidfile, *row.arguments)
    assert there.returncode == row.code, there.stdout
    assert here.code == (row.code if row.ours is None else row.ours), here.out + here.err
    if row.ours is not None:
        assert row.listed in DIFFERENCES.read_text()
    for printed, program in ((there.stdout, "fetchmail"), (here.out + here.err, "mailhaul")):
        starts = [line.startswith(row.words) for line in said(printed, program)]
        assert not row.words or any(starts), printed


SINGLE = ["keep", "fetchall", "flush", "limit 10000", "fetchlimit 2", "expunge 1"]
ALL = bool(os.environ.get("MAILHAUL_SOAK"))
COMBINED = [
    *(
        " ".join(chosen)
        for size in (2, 3)
        if size < 3 or ALL
        for chosen in combinations(SINGLE, size)
    ),
    *("expunge 2", "limit 1", "limit 1 limitflush flush", "keep flush expunge 1"),
]
LISTED = {("POP3", "keep flush expunge 1"): "`keep flush expunge` over POP3"}
"""Where mailhaul leaves what fetchmail deletes, and the words of the page."""


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "dropin", certificates.good)
    with server.running():
        yield server


@pytest.mark.parametrize("protocol", ["POP3", "IMAP"])
@pytest.mark.parametrize("options", COMBINED)
def test_both_leave_the_same_at_the_server(
    services: DovecotServices,
    exim: Exim,
    tmp_path: Path,
    protocol: str,
    options: str,
) -> None:
    stage = Stage(services, exim, tmp_path)
    expected = stage.play(theirs, options, (), protocol=protocol)
    found = stage.play(ours, options, (), protocol=protocol)
    assert (found.code, found.brought) == (expected.code, expected.brought)
    if listed := LISTED.get((protocol, options)):
        assert listed in DIFFERENCES.read_text()
        assert {*found.left} > {*expected.left}
    else:
        assert found.left == expected.left
