"""The start of a program: a poll without mail loads only what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailhaul import pop3
from mailhaul.apps.demo.main import USERS, imap_session, listen, smtp_session, write_rcfile
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Flow
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from mailhaul.servers.smtp import MemorySink

MOST_MODULES = {"imap": 122, "pop3": 115, "two accounts": 135, "version": 58}
"""Modules of mailhaul that are loaded. Each takes a quarter of a millisecond."""
SLACK = 2
HEAVY = {
    *("argparse", "ast", "asyncio", "automat", "automat._typed", "copy", "dataclasses", "email"),
    *("encodings.idna", "graphviz", "hashlib", "http", "idna", "inspect", "json", "locale"),
    *("logging", "pathlib", "pkg_resources", "random", "shutil", "ssl", "subprocess", "tempfile"),
    *("threading", "tokenize", "trio", "typing_extensions", "unicodedata", "urllib", "weakref"),
    *("importlib.metadata", "h11", "cryptography", "mailhaul.protocols.http", "rich"),
}
"""What a poll over a plain connection never needs."""
TELL = (
    "import os, sys\n"
    "before = set(sys.modules)\n"
    "end = os._exit\n"
    "def tell(code):\n"
    "    names = ' '.join(sorted(set(sys.modules) - before))\n"
    "    os.write(2, b'\\n' + names.encode())\n"
    "    end(code)\n"
    "os._exit = tell\n"
    "from mailhaul.__main__ import program\n"
    "program()\n"
)


def loaded(home: Path, arguments: list[str], code: int) -> set[str]:
    """Return the modules that a run loads which leaves by the short way."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")},
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-c", TELL, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def pop3_session() -> tuple[Channel[Endpoint], Flow[None]]:
    """Return a new session with an empty maildrop."""
    channel = Channel("client", pop3.Server())
    return channel, serve_pop3(channel, Maildrop(Mailbox([])), Logins(USERS))


@pytest.mark.parametrize("what", MOST_MODULES)
def test_a_run_loads_only_what_it_needs(what: str, tmp_path: Path) -> None:
    with ExitStack() as cleanup:
        empty = Mailboxes({b"INBOX": Mailbox([]), b"Tickets": Mailbox([])})
        serve = pop3_session if what == "pop3" else lambda: imap_session(empty)
        port = listen(cleanup, serve)
        rc = write_rcfile(tmp_path, port, listen(cleanup, lambda: smtp_session(MemorySink())))
        if what == "pop3":
            rc.write_text(
                rc.read_text().replace("IMAP", "POP3").replace("folder INBOX Tickets", "")
            )
        if what == "two accounts":
            rc.write_text(
                rc.read_text() + rc.read_text().replace("localhost port", "127.0.0.1 port")
            )
        more, code = ([], ExitCode.NOMAIL) if what != "version" else (["-V"], ExitCode.SUCCESS)
        found = loaded(tmp_path, ["-s", "-f", str(rc), *more], code)
    assert "mailhaul.apps.main" in found
    assert found & HEAVY == set()
    ours = {name for name in found if name.partition(".")[0] == "mailhaul"}
    assert not [name for name in ours if "oauth" in name]
    assert len(ours) <= MOST_MODULES[what] + SLACK, sorted(ours)


def test_what_delivers_mail_is_loaded_while_a_plugin_connects(tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    rc.write_text(
        'poll mail.example.org protocol IMAP plugin "true" auth ssh'
        f' user you maildir "{tmp_path}/Mail"\n'
    )
    rc.chmod(0o600)
    found = loaded(tmp_path, ["-s", "-f", str(rc)], ExitCode.SOCKET)
    assert {"mailhaul.flows.ferry", "mailhaul.adapters.sinks.maildir"} <= found
