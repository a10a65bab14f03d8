"""Wish 32: change from another program without fetching anything twice, and back to fetchmail.

The programs are real. Each fetches three messages and keeps them on the server; then mailhaul takes
over, fetches none of them, and fetches the fourth.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mailhaul import pop3
from mailhaul.apps.demo.main import imap_session, listen
from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Flow
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
TEXTS = [b"Subject: %d\r\n\r\nbody\r\n" % number for number in range(4)]
USERS = {b"you": b"some-pass-word"}
SECONDS = 30.0


class Place:
    """A home folder, and a mailbox that servers offer by POP3 and by IMAP."""

    def __init__(self, home: Path, cleanup: ExitStack) -> None:
        self.home = home
        self.arrived = home / "arrived"
        self.arrived.mkdir()
        self.mailbox = Mailbox(TEXTS[:3])
        self.pop3 = listen(cleanup, self._pop3_session)
        boxes = Mailboxes({b"INBOX": self.mailbox})
        self.imap = listen(cleanup, lambda: imap_session(boxes))
        self.mda = home / "mda"
        self.mda.write_text(f'#!/bin/sh\nexec cat >"$(mktemp -p {self.arrived})"\n')
        self.mda.chmod(0o755)
        # fdm fetches as a user of its own.
        self.open = Path(cleanup.enter_context(TemporaryDirectory(prefix="fdm-")))
        self.open.chmod(0o777)

    def _pop3_session(self) -> tuple[Channel[Endpoint], Flow[None]]:
        channel = Channel("client", pop3.Server())
        return channel, serve_pop3(channel, Maildrop(self.mailbox), Logins(USERS))

    def write(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run a program that knows no other home, and return what it printed."""
        home = str(self.home)
        environment |= {"PATH": os.environ["PATH"], "HOME": home, "FETCHMAILHOME": home}
        done = subprocess.run(
            words, cwd=self.home, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=SECONDS,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def mailhaul(self, *words: str, code: int = 0) -> str:
        words = (sys.executable, "-m", "mailhaul", *words)
        return self.run(*words, code=code, PYTHONPATH=str(ROOT))

    def count(self) -> int:
        """Return how many messages have arrived."""
        return len(list(self.arrived.iterdir()))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as cleanup:
        yield Place(tmp_path, cleanup)


def getmail(place: Place, kind: str, port: int) -> tuple[str, ...]:
    place.write(
        ".getmail/getmailrc",
        f"[retriever]\ntype = Simple{kind}Retriever\nserver = 127.0.0.1\nport = {port}\n"
        "username = you\npassword = some-pass-word\n"
        f"[destination]\ntype = MDA_external\npath = {place.mda}\nallow_root_commands = true\n"
        "[options]\nread_all = false\ndelivered_to = false\nreceived = false\n",
    )
    return ("getmail", "-q", f"--getmaildir={place.home}/.getmail")


def getmail_pop3(place: Place) -> tuple[str, ...]:
    return getmail(place, "POP3", place.pop3)


def getmail_imap(place: Place) -> tuple[str, ...]:
    return getmail(place, "IMAP", place.imap)


def mpop(place: Place) -> tuple[str, ...]:
    place.write(
        ".mpoprc",
        f"account default\nhost 127.0.0.1\nport {place.pop3}\nuser you\npassword some-pass-word\n"
        f"auth user\ntls off\nkeep on\ndelivery mda {place.mda}\n",
    )
    return ("mpop", "-Q")


def fdm(place: Place) -> tuple[str, ...]:
    place.write(
        ".fdm.conf",
        'set default-user "root"\nset command-user "root"\n'
        f'action "out" pipe "{place.mda}"\n'
        f'account "you" pop3 server "127.0.0.1" port {place.pop3} user "you"\n'
        f'    pass "some-pass-word" new-only cache "{place.open}/cache" no-apop keep\n'
        'match all action "out"\n',
    )
    return ("fdm", "-q", "-f", f"{place.home}/.fdm.conf", "fetch")


PROGRAMS: list[tuple[str, Callable[[Place], tuple[str, ...]]]] = [
    ("getmail", getmail_pop3),
    ("getmail", getmail_imap),
    ("mpop", mpop),
    ("fdm", fdm),
]


@pytest.mark.parametrize(("program", "prepare"), PROGRAMS)
def test_nothing_is_fetched_twice(
    program: str, prepare: Callable[[Place], tuple[str, ...]], place: Place
) -> None:
    words = prepare(place)
    place.run(*words)
    assert place.count() == 3
    place.mailhaul("import", "rc", program, "-o", "rc")
    assert "3 messages recorded" in place.mailhaul("import", program, "-f", "rc")
    place.mailhaul("-f", "rc", code=1)
    assert place.count() == 3
    place.mailbox.append(TEXTS[3])
    place.mailhaul("-f", "rc")
    assert place.count() == 4
    assert len(place.mailbox.messages) == 4


def test_from_fetchmail_and_back(place: Place) -> None:
    place.write(
        "rc",
        f"poll 127.0.0.1 service {place.pop3} protocol pop3 uidl no dns user you\n"
        f"  password some-pass-word sslproto '' keep mda \"{place.mda}\"\n",
    )
    fetchmail = ("fetchmail", "-f", "rc", "--pidfile", f"{place.home}/pid")
    place.run(*fetchmail)
    assert place.count() == 3
    # Nothing has to be imported: .fetchids is read in the first poll.
    place.mailhaul("-f", "rc", code=1)
    place.mailbox.append(TEXTS[3])
    place.mailhaul("-f", "rc")
    assert place.count() == 4
    (place.home / ".fetchids").unlink()
    place.mailhaul("export", "fetchids", "-f", "rc", "-o", ".fetchids")
    place.run(*fetchmail, code=1)
    assert place.count() == 4
