"""Every way that a message can leave mailhaul, with a real program at its end where there is one.

A way out says what stands in the rc file, by which one rule it changes line ends, which fields are
added on top, and how to get back what was stored.
"""

from __future__ import annotations

import mailbox
import re
import subprocess
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .servers.aiosmtp import AioSmtp
from .servers.certificates import Certificate
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.opensmtpd import OpenSmtpd
from .servers.ours import listening
from .servers.postfix import Postfix
from .servers.process import script

NAMES = (
    *("Postfix", "Postfix -bs", "Exim", "Exim -bs", "OpenSMTPD", "aiosmtpd", "BINARYMIME"),
    *("LMTP", "APPEND", "Maildir", "mbox", "MDA", "BSMTP"),
)
BINARY = {**DEFAULT_EXTENSIONS, b"CHUNKING": b"", b"BINARYMIME": b""}
ENVELOPE = re.compile(rb"MAIL FROM:[^\r\n]*\r\n(?:RCPT TO:[^\r\n]*\r\n)+DATA\r\n")
LINE_END = re.compile(rb"\r?\r?\n|\r")


def lines(text: bytes) -> bytes:
    """Every line end is one, CR CR LF too, and the last line has one."""
    text = inner_lines(text)
    return text if text.endswith(b"\n") else text + b"\n"


def inner_lines(text: bytes) -> bytes:
    """Every line end is one, CR CR LF too; none is added."""
    return LINE_END.sub(b"\n", text)


def unix(text: bytes) -> bytes:
    """CRLF and CR CR LF become LF, nothing else changes."""
    return re.sub(rb"\r?\r\n", b"\n", text)


def unix_lines(text: bytes) -> bytes:
    """The same, and the last line has an end."""
    text = unix(text)
    return text if text.endswith(b"\n") else text + b"\n"


def octets(text: bytes) -> bytes:
    """Nothing changes, unless the header's own lines do not end in CRLF: then by DATA, as lines."""
    header = text.partition(b"\r\n\r\n")[0]
    if LINE_END.sub(b"\r\n", header) == header:
        return text
    return lines(text).replace(b"\n", b"\r\n")


@dataclass(frozen=True)
class WayOut:
    """One way.

    ``user`` and ``server`` are words for the rc file; ``rule`` is what becomes of line ends, as
    far as it can be seen in what is stored. ``above`` names the fields that the receiver, or
    whoever writes for it, puts on top. With ``plain`` the message is stored as it was: no
    Received field is added and no address completed.
    """

    name: str
    receiver: str
    stored: Callable[[], Iterable[bytes]]
    rule: Callable[[bytes], bytes]
    user: str = ""
    server: str = ""
    recipient: str = "bob"
    above: frozenset[bytes] = frozenset()
    keeps_return_path: bool = False
    plain: bool = False


TOP_OF_POSTFIX = frozenset({b"return-path", b"x-original-to", b"delivered-to", b"received"})
TOP_OF_OPENSMTPD = frozenset({b"return-path", b"delivered-to", b"received"})
TOP_OF_EXIM = frozenset({b"received"})
RETURN_PATH = frozenset({b"return-path"})


class WaysOut:
    """The servers, and the ways to them."""

    def __init__(
        self,
        postfix: Postfix,
        exim: Exim,
        opensmtpd: OpenSmtpd,
        dovecot: Dovecot,
        certificate: Certificate,
    ) -> None:
        self._postfix, self._exim, self._opensmtpd = postfix, exim, opensmtpd
        self._dovecot, self._aiosmtpd = dovecot, AioSmtp()
        self._binary = MemorySink()
        self._binary_port = 0
        self._certificate = certificate

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Serve in this process what is not a program of its own."""
        with ExitStack() as stack:
            stack.enter_context(self._aiosmtpd.running())
            self._binary_port = stack.enter_context(
                listening(
                    lambda: SmtpServer(extensions=BINARY),
                    lambda channel, _: serve_smtp(channel, self._binary),
                    self._certificate,
                )
            )
            yield

    def way(self, name: str, home: Path) -> WayOut:
        """Return a way out by which nothing has gone yet; its files are below ``home``."""
        for server in (self._postfix, self._exim, self._opensmtpd, self._aiosmtpd):
            server.clear()
        self._binary.messages.clear()
        ways = [*self._smtp(), *self._piped(), *into_dovecot(self._dovecot)]
        ways += [*into_files(home), self._batch(home)]
        return next(way for way in ways if way.name == name)

    def _smtp(self) -> Iterable[WayOut]:
        for name, port, stored, rule, above in (
            ("Postfix", self._postfix.port, self._in_postfix, lines, TOP_OF_POSTFIX),
            ("Exim", self._exim.port, self._in_exim, lines, TOP_OF_EXIM),
            ("OpenSMTPD", self._opensmtpd.port, self._in_opensmtpd, lines, TOP_OF_OPENSMTPD),
            ("aiosmtpd", self._aiosmtpd.port, self._in_aiosmtpd, lines, frozenset[bytes]()),
            ("BINARYMIME", self._binary_port, self._in_binary, octets, frozenset[bytes]()),
        ):
            yield WayOut(name, name, stored, rule, f"smtphost localhost/{port}", above=above)

    def _piped(self) -> Iterable[WayOut]:
        for receiver, argv, stored, above in (
            ("Postfix", self._postfix.bs_argv, self._in_postfix, TOP_OF_POSTFIX),
            ("Exim", self._exim.bs_argv, self._in_exim, TOP_OF_EXIM),
        ):
            server = f'plugout "{" ".join(argv)}"'
            yield WayOut(f"{receiver} -bs", receiver, stored, lines, server=server, above=above)

    def _batch(self, home: Path) -> WayOut:
        def read() -> Iterable[bytes]:
            return self._read_by_exim(home / "batch")

        return WayOut("BSMTP", "Exim", read, lines, "bsmtp batch", above=TOP_OF_EXIM)

    def _in_postfix(self) -> Iterable[bytes]:
        return (path.read_bytes() for path in self._postfix.delivered())

    def _in_opensmtpd(self) -> Iterable[bytes]:
        return (path.read_bytes() for path in self._opensmtpd.delivered())

    def _in_exim(self) -> Iterable[bytes]:
        return (one.data for one in self._exim.delivered())

    def _in_aiosmtpd(self) -> Iterable[bytes]:
        return map(unix, self._aiosmtpd.delivered())

    def _in_binary(self) -> Iterable[bytes]:
        return (one.text for one in self._binary.messages)

    def _read_by_exim(self, batch: Path) -> Iterable[bytes]:
        argv = [*self._exim.sendmail_argv[:1], "-bS"]
        subprocess.run(argv, input=batch.read_bytes(), check=True, timeout=60)
        return self._in_exim()


def into_dovecot(dovecot: Dovecot) -> Iterable[WayOut]:
    """Yield the ways into a mailbox of a new user there."""
    user = dovecot.new_user()
    url = f"imap://{user}@localhost:{dovecot.imap_port}/INBOX"
    yield WayOut(
        "LMTP",
        "Dovecot",
        lambda: dovecot.messages(user),
        lines,
        f"lmtp smtphost localhost/{dovecot.lmtp_port}",
        recipient=user,
        above=RETURN_PATH,
    )
    yield WayOut(
        "APPEND",
        "Dovecot",
        lambda: dovecot.messages(user),
        inner_lines,
        f'append "{url}" appendpassword {dovecot.password}',
        keeps_return_path=True,
        plain=True,
    )


def into_files(home: Path) -> Iterable[WayOut]:
    """Yield the ways into files below ``home``."""
    (home / "taken").mkdir()
    keep = script(home / "keep", f"exec cat >{home}/taken/$$\n")
    for name, stored, rule, user, above in (
        ("MDA", lambda: texts_in(home / "taken"), unix, f'mda "{keep}"', frozenset[bytes]()),
        ("Maildir", lambda: maildir(home / "Mail"), unix, "maildir Mail", frozenset[bytes]()),
        ("mbox", lambda: mbox(home / "box"), unix_lines, "mbox box", RETURN_PATH),
    ):
        yield WayOut(name, name, stored, rule, user, above=above, keeps_return_path=True)


def batched(batch: bytes) -> Sequence[bytes]:
    """Return the texts of a batch (BSMTP) without the dots that were added."""
    texts: list[bytes] = []
    position = 0
    while position < len(batch):
        envelope = ENVELOPE.match(batch, position)
        assert envelope, batch[position : position + 80]
        end = batch.index(b"\r\n.\r\n", envelope.end() - 2)
        texts.append(re.sub(rb"(?m)^\.", b"", batch[envelope.end() : end + 2]))
        position = end + 5
    return texts


def texts_in(folder: Path) -> Sequence[bytes]:
    """Return the files in a folder."""
    return [path.read_bytes() for path in folder.iterdir()]


def maildir(path: Path) -> Sequence[bytes]:
    """Return what Python's own reader finds in a Maildir."""
    box = mailbox.Maildir(path, create=False)
    return [box.get_bytes(key) for key in box.iterkeys()]


def mbox(path: Path) -> Sequence[bytes]:
    """Return what it finds in a mailbox file, with the marks of the kind mboxrd taken off."""
    box = mailbox.mbox(path, create=False)
    try:
        texts = [box.get_bytes(key) for key in box.iterkeys()]
    finally:
        box.close()
    return [re.sub(rb"(?m)^>(>*From )", rb"\1", text) for text in texts]
