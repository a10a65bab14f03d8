"""A message of any size takes no more memory than a small one. ``make soak`` sends 1 GB."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailhaul.flows.serve.imap import serve_imap
from mailhaul.flows.serve.logins import Logins
from mailhaul.flows.serve.mailboxes import Mailbox, Mailboxes
from mailhaul.flows.serve.pop3 import Maildrop, serve_pop3
from mailhaul.flows.serve.smtp import MemorySink, serve_smtp
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer

from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.ours import listening

pytestmark = pytest.mark.real

SIZE = (1024 if os.environ.get("MAILHAUL_SOAK") else 64) * 1024 * 1024
PEAK = 40 * 1024
"""KiB that the whole process may take."""
SECONDS = 300.0
HEADER = b"From: a@example.net\r\nSubject: big\r\n\r\n"
BLOCK = (b"." + b"x" * 76 + b"\r\n") * 13 + b"y" * 1 + b"\r\n"
BINARY = {**DEFAULT_EXTENSIONS, b"CHUNKING": b"", b"BINARYMIME": b""}
RUN = """
import sys
from mailhaul.apps.cli.main import main
code = main(sys.argv[2:])
status = open("/proc/self/status").read()
open(sys.argv[1], "w").write(status.partition("VmHWM:")[2].split()[0])
raise SystemExit(code)
"""


def text() -> Iterator[bytes]:
    yield HEADER
    block = BLOCK * 64
    for _ in range(SIZE // len(block)):
        yield block


class Site:
    """One huge message at a server, and listeners that count what they are given."""

    def __init__(self, certificates: Certificates) -> None:
        self.inbox = Mailbox([])
        self.maildrop = Maildrop(self.inbox)
        self.sink = MemorySink(keep_text=False)
        self.certificate = certificates.good
        self.size = sum(map(len, text()))

    def running(self, stack: ExitStack) -> None:
        boxes = Mailboxes({b"INBOX": self.inbox})
        users = {b"fred": b"sesame"}

        def listener(machine: object, serve: object) -> int:
            return stack.enter_context(listening(machine, serve, self.certificate))  # type: ignore[arg-type]

        self.imap = listener(ImapServer, lambda c, _: serve_imap(c, boxes, users))
        self.pop3 = listener(Pop3Server, lambda c, _: serve_pop3(c, self.maildrop, Logins(users)))
        self.smtp = listener(SmtpServer, lambda c, _: serve_smtp(c, self.sink))
        self.lmtp = listener(lambda: SmtpServer(lmtp=True), lambda c, _: serve_smtp(c, self.sink))
        self.bdat = listener(
            lambda: SmtpServer(extensions=BINARY), lambda c, _: serve_smtp(c, self.sink)
        )

    def fill(self) -> None:
        self.inbox.messages.clear()
        self.sink.messages.clear()
        self.inbox.append_chunks(self.size, text)


@pytest.fixture(scope="module")
def site(certificates: Certificates) -> Iterator[Site]:
    with ExitStack() as stack:
        site = Site(certificates)
        site.running(stack)
        yield site


def carry(site: Site, home: Path, source: str, options: str) -> int:
    """Carry the message; return the peak of memory in KiB."""
    site.fill()
    rc = home / "rc"
    port = site.imap if source == "imap" else site.pop3
    rc.write_text(
        f"poll localhost no dns protocol {source} port {port}\n"
        f"  user fred password sesame is bob here sslproto '' {options}\n"
    )
    rc.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(home / "peak"), "-f", str(rc)],
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={
            "PATH": os.defpath,
            "HOME": str(home),
            "PYTHONPATH": str(Path.cwd()),
            "TMPDIR": "/tmp",
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert site.inbox.messages == []
    return int((home / "peak").read_text())


SINKS = {
    "SMTP": "smtphost localhost/{smtp}",
    "BDAT": "smtphost localhost/{bdat}",
    "LMTP": "lmtp smtphost localhost/{lmtp}",
    "MDA": 'mda "cat >>{home}/stored"',
    "Maildir": "maildir Mail",
    "mbox": "mbox box",
    "BSMTP": "bsmtp batch",
    "APPEND": 'append "imap://{user}@localhost:{dovecot}/INBOX" appendpassword {password}',
}


@pytest.mark.parametrize(
    ("source", "sink"),
    [
        *(("imap", sink) for sink in SINKS),
        ("pop3", "SMTP"),
        ("pop3", "Maildir"),
        ("pop3", "APPEND"),
    ],
)
def test_memory_does_not_grow_with_the_message(
    source: str, sink: str, site: Site, dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    options = SINKS[sink].format(
        smtp=site.smtp,
        bdat=site.bdat,
        lmtp=site.lmtp,
        home=tmp_path,
        user=user,
        dovecot=dovecot.imap_port,
        password=dovecot.password,
    )
    peak = carry(site, tmp_path, source, options)
    print(f"{source} to {sink}: {SIZE >> 20} MiB, peak {peak} KiB")
    assert peak < PEAK
    if sink in {"SMTP", "BDAT", "LMTP"}:
        (message,) = site.sink.messages
        assert message.size > site.size
    elif sink == "APPEND":
        # Its files are read when they are few.
        assert len(list((dovecot.maildir(user) / "new").iterdir())) == 1
