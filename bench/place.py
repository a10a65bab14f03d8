"""Where a run happens: a private Dovecot, a listener, a distant line, sshd, and folders."""

from __future__ import annotations

import imaplib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from pwd import getpwnam

from tests.real.servers.certificates import Certificate, Certificates
from tests.real.servers.dovecot import Dovecot
from tests.real.servers.dovecot_settings import has_new_settings
from tests.real.servers.process import OWNER, free_ports, owned_folder, program, running
from tests.real.servers.sshd import Sshd

from .mail import Key, key

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "programs"
SSH_USER = "joeuser"
"""The user whose mailbox is opened by ssh."""
SETTLE_SECONDS = 5.0
"""How long a server may take to remove what it has confirmed to be deleted."""

# Logins are served by a few processes, and a mailbox process serves one user after another, so
# that starting processes is not what is measured. The lines win over those before them.
_CONFIGURATION = """
protocols = imap pop3
default_client_limit = 5000
default_process_limit = 3000
service imap-login {{
  service_count = 0
  process_min_avail = 2
}}
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap {{
  service_count = 1000
  process_min_avail = 2
}}
service pop3 {{
  service_count = 1000
  process_min_avail = 2
}}
"""


class BenchDovecot(Dovecot):
    """A private Dovecot that also speaks POP3."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        super().__init__(folder, certificate)
        (self.pop3_port,) = free_ports(1)
        with self.configuration.open("a") as configuration:
            text = _CONFIGURATION.format(pop3_port=self.pop3_port)
            if has_new_settings():
                text = text.replace("service_count = 0", "restart_request_count = unlimited")
                text = text.replace("service_count =", "restart_request_count =")
            configuration.write(text)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        with running(
            ["/usr/sbin/dovecot", "-F", "-c", str(self.configuration)],
            output=self.log_file,
            ports=[self.imap_port, self.imaps_port, self.pop3_port],
        ):
            yield

    def fill(self, user: str, texts: Iterable[bytes], *, seen: bool = False) -> None:
        """Put messages into the user's inbox, and let the server make its index."""
        root = self.folder / "mail" / user
        owner = getpwnam(OWNER)
        for name in ("tmp", "new", "cur"):
            owned_folder(root / name)
        for number, text in enumerate(texts, 1):
            with_crlf = len(text) + text.count(b"\n")
            name = f"{1_700_000_000 + number}.M1P1.bench,S={len(text)},W={with_crlf}"
            path = f"{root}/cur/{name}:2,{'S' if seen else ''}"
            with open(path, "wb") as file:
                file.write(text)
            os.chown(path, owner.pw_uid, owner.pw_gid)
        with imaplib.IMAP4("127.0.0.1", self.imap_port) as client:
            client.login(user, self.password)
            client.select()

    def left(self, user: str) -> int:
        """Return how many messages the user's inbox holds."""
        root = self.folder / "mail" / user
        return sum(len(os.listdir(root / name)) for name in ("new", "cur"))


class Sink:
    """The listener's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout
        self.port = int(process.stdout.readline())

    def taken(self) -> list[Key]:
        """Return the keys of the messages taken since the last call."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        return [(name, digest) for name, digest in json.loads(self._process.stdout.readline())]


class Place:
    """All that is needed, started when it is first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._sinks: dict[tuple[str, ...], Sink] = {}
        self._lines: dict[tuple[int, int, int], int] = {}

    @cached_property
    def _certificates(self) -> Certificates:
        return Certificates(self.folder / "tls")

    @property
    def authority(self) -> Path:
        """The file of the authority that signed the server's certificate."""
        return self._certificates.authority

    @cached_property
    def dovecot(self) -> BenchDovecot:
        """The server."""
        server = BenchDovecot(self.folder / "dovecot", self._certificates.good)
        self._stack.enter_context(server.running())
        return server

    def sink(self, extensions: tuple[str, ...] = ("PIPELINING",)) -> Sink:
        """Return the listener that announces these extensions."""
        if extensions not in self._sinks:
            self._sinks[extensions] = Sink(self._child("bench.sink", *extensions))
        return self._sinks[extensions]

    @cached_property
    def sshd(self) -> Sshd:
        """An ssh server that opens the mailbox of SSH_USER."""
        opens = self.dovecot.preauth_argv(SSH_USER)
        server = Sshd(self.folder / "ssh", mykey=opens, myotherkey=["/bin/true"])
        self._stack.enter_context(server.running())
        return server

    def port(self, port: int, milliseconds: int, hosts: int = 0) -> int:
        """Return the port of a line to a port with this round trip; 0 is no line.

        With ``hosts``, so many addresses have it; see ``host_of``.
        """
        if not milliseconds:
            return port
        wanted = port, milliseconds, hosts
        if wanted not in self._lines:
            addresses = ["127.0.0.1", *map(host_of, range(1, hosts + 1))]
            process = self._child("bench.far", str(milliseconds), str(port), *addresses)
            assert process.stdout
            self._lines[wanted] = int(process.stdout.readline())
        return self._lines[wanted]

    def built(self, name: str, *options: str) -> Path:
        """Return a program of ours, compiled."""
        path = self.folder / name
        if not path.exists():
            source = PROGRAMS / f"{name}.c"
            subprocess.run([program("cc"), "-O2", *options, "-o", path, source], check=True)
        return path

    def _child(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._stack.callback(_end, process)
        return process


@contextmanager
def private_place() -> Generator[Place, None, None]:
    """Yield a place in a new folder, on a disk: /tmp may be memory, where a sync costs nothing."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="mh-", dir="/var/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        yield Place(folder, stack)


def host_of(number: int) -> str:
    """Return an address of its own for each server, from 1 on: loopback has many."""
    return f"127.0.1.{number}"


def stored(folder: Path) -> list[Key]:
    """Return the keys of the files in a folder, or in the ``new`` and ``cur`` of a Maildir."""
    names = [folder / name for name in ("new", "cur") if (folder / name).is_dir()]
    return [key(path.read_bytes()) for place in names or [folder] for path in place.iterdir()]


def settled(dovecot: BenchDovecot, users: Iterable[str], expected: int) -> int:
    """Return how many messages the users' inboxes hold, once that is what is expected."""
    deadline = time.monotonic() + SETTLE_SECONDS
    names = [*users]
    while (left := sum(map(dovecot.left, names))) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with process:
        pass
