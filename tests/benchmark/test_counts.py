"""What a message costs, in exact counts: a regression shows without a clock.

mailhaul runs twice on the blocking runtime against in-memory servers, for few messages and for
more, and the difference is divided by the number of messages between them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.mail import message
from mailhaul.apps.demo.main import USERS, imap_session, listen, smtp_session
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Flow
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from mailhaul.servers.smtp import MemorySink

ROW = re.compile(r"^ *[\d.]+ +[\d.]+ +\d* +(\d+) +(?:\d+ +)?(\w+)$", re.MULTILINE)
"""A row of strace's summary: share, seconds, microseconds a call, calls, errors, name."""

COUNTING = Path(__file__).with_name("counting.py")
STRACE = shutil.which("strace")
FEW, MORE = 50, 250
TEXTS = [message(n, 4096, "counts").replace(b"\n", b"\r\n") for n in range(1, MORE + 1)]


@dataclass(frozen=True)
class Bounds:
    """What a message may cost at most; the names are those of ``counting.py`` and of strace.

    Calls of functions vary by a few percent, with how much is there when mailhaul reads.
    """

    call: float
    c_call: float
    statements: float
    syncs: float
    total: float
    sendmsg: float
    fsync: float
    fdatasync: float


BOUNDS = {
    ("imap", "smtp"): Bounds(
        call=545,
        c_call=400,
        statements=2.3,
        syncs=0.05,
        total=13.5,
        sendmsg=1.2,
        fsync=0.05,
        fdatasync=0.05,
    ),
    ("pop3", "smtp"): Bounds(
        call=555,
        c_call=385,
        statements=2.3,
        syncs=0.05,
        total=14,
        sendmsg=1.2,
        fsync=0.05,
        fdatasync=0.05,
    ),
    ("pop3", "maildir"): Bounds(
        call=310,
        c_call=290,
        statements=3.4,
        syncs=1.05,
        total=8,
        sendmsg=0.05,
        fsync=1.05,
        fdatasync=0.05,
    ),
    ("imap", "maildir"): Bounds(
        call=300,
        c_call=305,
        statements=2.4,
        syncs=1.05,
        total=8,
        sendmsg=0.1,
        fsync=1.05,
        fdatasync=0.1,
    ),
}
each_way = pytest.mark.parametrize(("protocol", "sink"), BOUNDS)


class Servers:
    """A mailbox with some messages, and a listener."""

    def __init__(self, protocol: str, count: int, stack: ExitStack) -> None:
        self.mailbox = Mailbox(TEXTS[:count])
        self.taken = MemorySink()
        self.smtp_port = listen(stack, lambda: smtp_session(self.taken))
        boxes = Mailboxes({b"INBOX": self.mailbox})
        drop = Maildrop(self.mailbox)
        self.port = listen(
            stack, lambda: imap_session(boxes) if protocol == "imap" else pop3_session(drop)
        )


def pop3_session(drop: Maildrop) -> tuple[Channel[Endpoint], Flow[None]]:
    """Return a new session with the POP3 server."""
    channel = Channel("client", Pop3Server())
    return channel, serve_pop3(channel, drop, Logins(USERS))


def run(protocol: str, sink: str, count: int, home: Path, below: Sequence[str]) -> None:
    """Move so many messages with mailhaul; every one must arrive."""
    home.mkdir()
    with ExitStack() as stack:
        servers = Servers(protocol, count, stack)
        target = f"smtphost localhost/{servers.smtp_port}" if sink == "smtp" else "maildir Mail"
        rc = home / "fetchmailrc"
        rc.write_text(
            f"poll localhost no dns protocol {protocol} port {servers.port}\n"
            f"  user you password some-pass-word is bob here sslproto '' {target}\n"
        )
        rc.chmod(0o600)
        subprocess.run(
            [*below, "-s", "-f", str(rc)],
            check=True,
            cwd=home,
            env={**os.environ, "HOME": str(home), "FETCHMAILHOME": str(home)},
        )
        arrived = len(servers.taken.messages) or len([*(home / "Mail" / "new").glob("*")])
        assert (arrived, len(servers.mailbox.messages)) == (count, 0)


FEW_ACCOUNTS, MORE_ACCOUNTS = 5, 25
PER_ACCOUNT = {"call": 3350, "c_call": 2700, "statements": 24}
"""What one account of several may cost at most, with two messages for an MDA."""


def poll_accounts(count: int, home: Path) -> dict[str, int]:
    """Poll so many accounts in one run; return the counts."""
    home.mkdir()
    with ExitStack() as stack:
        port = listen(stack, lambda: imap_session(Mailboxes({b"INBOX": Mailbox(TEXTS[:2])})))
        rc = home / "fetchmailrc"
        rc.write_text(
            "".join(
                f"poll server{number} via localhost no dns protocol imap port {port}\n"
                f"  user you password some-pass-word is bob here sslproto '' mda true\n"
                for number in range(count)
            )
        )
        rc.chmod(0o600)
        subprocess.run(
            [sys.executable, str(COUNTING), str(home / "counts"), "-s", "-f", str(rc)],
            check=True,
            cwd=home,
            env={**os.environ, "HOME": str(home), "FETCHMAILHOME": str(home)},
        )
    counts: dict[str, int] = json.loads((home / "counts").read_text())
    return counts


def test_an_account_of_several_costs_only_so_many_calls(tmp_path: Path) -> None:
    few = poll_accounts(FEW_ACCOUNTS, tmp_path / "few")
    more = poll_accounts(MORE_ACCOUNTS, tmp_path / "more")
    found = {
        name: (more[name] - few[name]) / (MORE_ACCOUNTS - FEW_ACCOUNTS) for name in PER_ACCOUNT
    }
    assert found["call"] > 1000
    assert {name: n for name, n in found.items() if n > PER_ACCOUNT[name]} == {}, found


def per_message(few: Mapping[str, int], more: Mapping[str, int]) -> dict[str, float]:
    """Return counts for each message, from those of two runs."""
    return {name: (more[name] - few.get(name, 0)) / (MORE - FEW) for name in more}


def counted(protocol: str, sink: str, home: Path) -> dict[str, float]:
    """Return the counts of mailhaul's own doing."""
    found: list[dict[str, int]] = []
    for count in (FEW, MORE):
        file = home / f"counts{count}"
        words = [sys.executable, str(COUNTING), str(file)]
        run(protocol, sink, count, home / f"home{count}", words)
        found.append(json.loads(file.read_text()))
    return per_message(*found)


def traced(protocol: str, sink: str, home: Path) -> dict[str, float]:
    """Return the counts of system calls, by their name, with all of them as "total"."""
    found: list[dict[str, int]] = []
    for count in (FEW, MORE):
        file = home / f"calls{count}"
        words = ["strace", "-c", "-f", "-o", str(file), sys.executable, "-m", "mailhaul"]
        run(protocol, sink, count, home / f"traced{count}", words)
        found.append({name: int(calls) for calls, name in ROW.findall(file.read_text())})
    return per_message(*found)


def excess(found: Mapping[str, float], bounds: Bounds, names: Sequence[str]) -> dict[str, float]:
    """Return what is above its bound."""
    return {
        name: found.get(name, 0) for name in names if found.get(name, 0) > getattr(bounds, name)
    }


@each_way
def test_a_message_costs_only_so_many_calls(protocol: str, sink: str, tmp_path: Path) -> None:
    found = counted(protocol, sink, tmp_path)
    assert found["call"] > 100
    assert found["statements"] > 0.1
    names = ("call", "c_call", "statements", "syncs")
    assert excess(found, BOUNDS[protocol, sink], names) == {}, found


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@each_way
def test_a_message_costs_only_so_many_system_calls(
    protocol: str, sink: str, tmp_path: Path
) -> None:
    found = traced(protocol, sink, tmp_path)
    assert found["total"] > 1
    names = ("total", "sendmsg", "fsync", "fdatasync")
    assert excess(found, BOUNDS[protocol, sink], names) == {}, found
