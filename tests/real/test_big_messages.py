"""A message of any size takes no more memory than a small one, and arrives as it was.

It is made while it is read. ``make soak`` sends 1 GB.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.opensmtpd import OpenSmtpd
from .servers.ours import listening
from .servers.postfix import Postfix

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
from mailhaul.apps.main import main
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


def body_lines(text: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines behind the header, with LF line ends; ``text`` comes line by line."""
    lines = iter(text)
    while next(lines) not in {b"\n", b"\r\n"}:
        pass
    for line in lines:
        yield line.replace(b"\r\n", b"\n")


def digest(lines: Iterable[bytes]) -> str:
    whole = sha256()
    for line in lines:
        whole.update(line)
    return whole.hexdigest()


def in_file(path: Path) -> str:
    """Return the digest of the body in a file, without the blank line that ends an mbox."""
    with path.open("rb") as file:
        return digest(line for line in body_lines(file) if line != b"\n")


def in_batch(path: Path) -> str:
    """Return the digest of the body in a batch of one message."""
    with path.open("rb") as file:
        return digest(line.removeprefix(b".") for line in body_lines(file) if line != b".\n")


class Site:
    """One huge message at a server, and listeners that count what they are given."""

    def __init__(self, certificates: Certificates, scratch: Path) -> None:
        self.inbox = Mailbox([])
        self.postfix = Postfix(scratch / "big-postfix", "message_size_limit = 0\n")
        self.opensmtpd = OpenSmtpd(scratch / "big-opensmtpd", "smtp max-message-size 2G\n")
        self.maildrop = Maildrop(self.inbox)
        self.sink = MemorySink(keep_text=False)
        self.certificate = certificates.good
        self.size = sum(map(len, text()))
        self.whole = digest(text())
        self.body = digest(piece.replace(b"\r\n", b"\n") for piece in text() if piece != HEADER)

    def running(self, stack: ExitStack) -> None:
        stack.enter_context(self.postfix.running())
        stack.enter_context(self.opensmtpd.running())
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
        for peer in (self.postfix, self.opensmtpd):
            peer.clear()
        self.inbox.messages.clear()
        self.sink.messages.clear()
        self.inbox.append_chunks(self.size, text)


@pytest.fixture(scope="module")
def site(certificates: Certificates, scratch: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        site = Site(certificates, scratch)
        site.running(stack)
        yield site


def carry(site: Site, home: Path, source: str, options: str) -> int:
    """Carry the message; return the peak of memory in KiB."""
    site.fill()
    plugout, options = (options, "") if options.startswith("plugout") else ("", options)
    rc = home / "rc"
    port = site.imap if source == "imap" else site.pop3
    rc.write_text(
        f"set invisible\npoll localhost no dns protocol {source} port {port} {plugout}\n"
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
            "FETCHMAILHOME": str(home),
            "PYTHONPATH": str(Path.cwd()),
            "TMPDIR": "/tmp",
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert site.inbox.messages == []
    return int((home / "peak").read_text())


SINKS = {
    "SMTP": "smtphost localhost/{site.smtp}",
    "BDAT": "smtphost localhost/{site.bdat}",
    "LMTP": "lmtp smtphost localhost/{site.lmtp}",
    "Postfix": "smtphost localhost/{site.postfix.port}",
    "Postfix -bs": 'plugout "{site.postfix.bs_argv[0]}"',
    "OpenSMTPD": "smtphost localhost/{site.opensmtpd.port}",
    "MDA": 'mda "cat >>{home}/stored"',
    "Maildir": "maildir Mail",
    "mbox": "mbox box",
    "BSMTP": "bsmtp batch",
    "APPEND": 'append "imap://{user}@localhost:{dovecot.imap_port}/INBOX"'
    " appendpassword {dovecot.password}",
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
    options = SINKS[sink].format(site=site, dovecot=dovecot, home=tmp_path, user=user)
    peak = carry(site, tmp_path, source, options)
    print(f"{source} to {sink}: {SIZE >> 20} MiB, peak {peak} KiB")
    assert peak < PEAK
    if sink in {"SMTP", "BDAT", "LMTP"}:
        assert [(one.size, one.sha256) for one in site.sink.messages] == [(site.size, site.whole)]
        return
    path = stored(sink, site, tmp_path, dovecot.maildir(user))
    assert (in_batch(path) if sink == "BSMTP" else in_file(path)) == site.body


def stored(sink: str, site: Site, home: Path, appended: Path) -> Path:
    """Return the one file that holds the message."""
    match sink:
        case "Postfix" | "Postfix -bs":
            paths = site.postfix.delivered()
        case "OpenSMTPD":
            paths = site.opensmtpd.delivered()
        case "Maildir":
            paths = [*(home / "Mail" / "new").iterdir()]
        case "APPEND":
            paths = [*(appended / "new").iterdir()]
        case _:
            return home / {"MDA": "stored", "mbox": "box", "BSMTP": "batch"}[sink]
    [path] = paths
    return path
