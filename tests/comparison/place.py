"""Where an experiment happens: mailboxes with servers that may misbehave, a home, and a command."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import trustme

from mailhaul import imap, pop3, servers
from tests.real.servers.certificates import Certificate
from tests.real.servers.ours import listening
from tests.real.servers.process import script

from .programs import PASSWORD, Job, Program, environment

USERS = ("joe", "jim")
IDENTITY = re.compile(rb"^Message-ID: <(\w+)@example\.org>", re.MULTILINE | re.IGNORECASE)
POISON = "X-Poison"
"""The command refuses a message with this field."""
LIMIT = 25.0
"""Seconds after which a program is ended."""
_COMMAND = """\
draft=$(mktemp {box}/tmp/XXXXXXXX)
cat >"$draft"
if grep -q '^{poison}' "$draft"; then
    rm -f "$draft"
    exit 69
fi
mv "$draft" {box}/new/
"""


def message(number: int, more: bytes = b"") -> bytes:
    """Return a message whose Message-ID has its number."""
    return (
        b"Message-ID: <m%d@example.org>\r\nFrom: ann@example.org\r\nTo: joe@example.org\r\n"
        b"Date: Tue, 01 Dec 2026 10:00:00 +0000\r\nSubject: number %d\r\n%b\r\n"
        % (number, number, more)
        + b"A line of the text of this message.\r\n" * 100
    )


@dataclass(frozen=True, slots=True)
class Run:
    """What a program did: its exit code (None if it had to be ended), and how long it took."""

    code: int | None
    seconds: float


class Stall:
    """A text that stops in the middle until the experiment lets it go on."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.reached = Event()
        self.released = Event()

    def chunks(self) -> Iterator[bytes]:
        """Yield the text."""
        half = len(self.text) // 2
        yield self.text[:half]
        if not self.released.is_set():
            self.reached.set()
            self.released.wait(LIMIT + 5)
        yield self.text[half:]


@dataclass
class Place:
    """One experiment with one program."""

    program: Program
    folder: Path
    stack: ExitStack
    authority: Path | None = None
    box: Path = field(init=False)
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        """Make the folders and the command."""
        self.home = self.folder / "home"
        self.box = self.folder / "box"
        self.home.mkdir()
        for name in ("tmp", "new", "cur"):
            (self.box / name).mkdir(parents=True)
        self.mda = script(self.folder / "mda", _COMMAND.format(box=self.box, poison=POISON))

    def serve(
        self,
        mailbox: servers.Mailbox,
        cut: Callable[[], dict[int, int]] = dict,
        host: str = "",
        password: str = PASSWORD,
    ) -> int:
        """Serve a mailbox in the protocol of the program; return the port.

        ``cut`` is asked at each connection: after how many octets of which message it breaks.
        With ``host``, by TLS with a certificate for that name.
        """
        users = {user.encode(): password.encode() for user in USERS}
        drop, logins = servers.Maildrop(mailbox), servers.Logins(users)
        mailboxes = servers.Mailboxes({b"INBOX": mailbox})

        def serve(channel: Any, secure: Any) -> Any:
            del secure
            if self.program.protocol == "pop3":
                drop.busy = False
                return servers.serve_pop3(channel, drop, logins, servers.Pop3Misbehaviour(cut()))
            return servers.serve_imap(channel, mailboxes, users, servers.ImapMisbehaviour(cut()))

        make: Any = pop3.Server if self.program.protocol == "pop3" else imap.Server
        certificate = self._certificate(host or "localhost")
        return self.stack.enter_context(
            listening(make, serve, certificate, implicit_tls=bool(host))
        )

    def silent(self) -> int:
        """Return the port of a server that accepts connections and says nothing."""
        listener = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        return int(listener.getsockname()[1])

    def _certificate(self, name: str) -> Certificate:
        issuer = trustme.CA()
        self.authority = self.folder / "authority.pem"
        issuer.cert_pem.write_to_path(str(self.authority))
        stored = Certificate(self.folder / "chain.pem", self.folder / "key.pem")
        issued = issuer.issue_cert(name, common_name=name)
        issued.cert_chain_pems[0].write_to_path(str(stored.chain))
        issued.private_key_pem.write_to_path(str(stored.key))
        return stored

    def job(self, *ports: int, **more: Any) -> Job:
        """Return a job for these accounts."""
        accounts = tuple(zip(ports, USERS, strict=False))
        return Job(self.home, accounts, self.box, self.mda, **more)

    def start(self, job: Job) -> subprocess.Popen[bytes]:
        """Start the program. Its errors go to a file, for whoever looks into an experiment."""
        with (self.folder / "errors").open("ab") as errors:
            return subprocess.Popen(
                self.program.command(job),
                cwd=self.home,
                env=environment(self.home, job.authority),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    def run(self, job: Job) -> Run:
        """Run the program to its end, or end it after LIMIT."""
        began = time.monotonic()
        process = self.start(job)
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(LIMIT)
            return Run(code, time.monotonic() - began)
        self.kill(process)
        return Run(None, LIMIT)

    def peak(self, job: Job) -> float:
        """Run the program once more; return the MiB of its largest process.

        A process counts what its parent had until it calls exec, so a small one starts it.
        """
        used = self.folder / "used"
        words = ["/usr/bin/time", "-f", "%M", "-o", str(used), *self.program.command(job)]
        subprocess.run(
            words,
            cwd=self.home,
            env=environment(self.home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        return int(used.read_text().split()[-1]) / 1024

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the program with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def arrived(self) -> Counter[str]:
        """Return the numbers of the complete messages that were delivered, with how often."""
        counted: Counter[str] = Counter()
        for path in self.box.rglob("*"):
            if path.is_file() and path.parent.name in ("new", "cur"):
                text = path.read_bytes()
                if found := IDENTITY.search(text):
                    whole = text.count(b"A line of the text") == 100
                    counted[found[1].decode() if whole else "half"] += 1
        return counted


@contextmanager
def place(program: Program, folder: Path) -> Iterator[Place]:
    """Yield a place whose servers end with the block."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        yield Place(program, folder, stack)
