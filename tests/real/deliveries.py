"""Every nasty message through every sink, between real programs: what arrives, and what is kept."""

from __future__ import annotations

import mailbox
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from mailhaul.flows.serve.imap import serve_imap
from mailhaul.flows.serve.mailboxes import Mailbox, Mailboxes
from mailhaul.flows.serve.smtp import MemorySink, serve_smtp
from mailhaul.protocols.dots import DotReader, normalized
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer

from .mailhaul import Run, mailhaul
from .nasty import NASTY
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.opensmtpd import OpenSmtpd
from .servers.ours import listening
from .servers.postfix import Postfix
from .servers.process import free_ports, script

KEY = re.compile(rb"^message-id: <(\w+)@nasty\.example>\r?$", re.IGNORECASE | re.MULTILINE)
BINARY = {**DEFAULT_EXTENSIONS, b"CHUNKING": b"", b"BINARYMIME": b""}


def as_lines(message: bytes) -> bytes:
    """SMTP's rule: each bare CR and bare LF is a line end, and the last line has one."""
    text = normalized(message).replace(b"\r\n", b"\n")
    return text if text.endswith(b"\n") else text + b"\n"


def as_text(message: bytes) -> bytes:
    """CRLF becomes LF, nothing else changes."""
    return message.replace(b"\r\n", b"\n")


def as_it_is(message: bytes) -> bytes:
    """Nothing changes."""
    return message


def as_appended(message: bytes) -> bytes:
    """APPEND's rule: each bare CR and bare LF is a line end, but none is added."""
    return normalized(message).replace(b"\r\n", b"\n")


def as_postfix_has_it(message: bytes) -> bytes:
    """SMTP's rule; Postfix itself takes blanks away that stand before the colon of a field."""
    return as_lines(message).replace(b"\nX-Blank : y\n", b"\nX-Blank: y\n")


def as_opensmtpd_has_it(message: bytes) -> bytes:
    """SMTP's rule; OpenSMTPD itself cuts each line at its first NUL."""
    return re.sub(rb"\0[^\n]*", b"", as_lines(message))


def as_binary(message: bytes) -> bytes:
    """A header goes in lines; where it is not made of any, the message goes by DATA."""
    header = message.partition(b"\r\n\r\n")[0]
    if normalized(header) != header:
        text = normalized(message)
        return text if text.endswith(b"\r\n") else text + b"\r\n"
    return message


@dataclass(frozen=True)
class Sink:
    """One way out: its name, its rc options, what it has stored, and the rule for its line ends."""

    name: str
    options: str
    stored: Callable[[], list[bytes]]
    rule: Callable[[bytes], bytes]


def files_in(folder: Path) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(folder.glob("*"))]


def read_maildir(path: Path) -> list[bytes]:
    box = mailbox.Maildir(path)
    return [box.get_bytes(key) for key in box.keys()]  # noqa: SIM118


def read_mbox(path: Path) -> list[bytes]:
    box = mailbox.mbox(path)
    texts = [box.get_bytes(key) for key in box.keys()]  # noqa: SIM118
    box.close()
    return [re.sub(rb"^>(>*From )", rb"\1", text, flags=re.MULTILINE) for text in texts]


def read_batch(path: Path) -> list[bytes]:
    """Take a batch of SMTP apart as its reader would."""
    texts: list[bytes] = []
    rest = path.read_bytes()
    while b"\r\nDATA\r\n" in rest:
        reader = DotReader()
        texts.append(reader.feed(rest.partition(b"\r\nDATA\r\n")[2]))
        assert reader.over
        rest = reader.rest
    return [text.replace(b"\r\n", b"\n") for text in texts]


class Kept:
    """Keeps what aiosmtpd is given."""

    def __init__(self, texts: list[bytes]) -> None:
        self._texts = texts

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self._texts.append(envelope.content.replace(b"\r\n", b"\n"))
        return "250 2.0.0 kept"


class Peers:
    """The real programs, and one mailbox of ours that mail comes from."""

    def __init__(
        self,
        scratch: Path,
        certificates: Certificates,
        dovecot: Dovecot,
        exim: Exim,
        postfix: Postfix,
        opensmtpd: OpenSmtpd,
    ) -> None:
        self.dovecot, self.exim = dovecot, exim
        self.postfix, self.opensmtpd = postfix, opensmtpd
        self.certificate = certificates.good
        self.scratch = scratch
        self.inbox = Mailbox([])
        self.binary = MemorySink()
        self.aio: list[bytes] = []
        (self.aio_port,) = free_ports(1)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve the mailbox, and SMTP with BINARYMIME, until the block ends."""
        boxes = Mailboxes({b"INBOX": self.inbox})
        with ExitStack() as stack:
            self.port = stack.enter_context(
                listening(
                    ImapServer,
                    lambda c, _: serve_imap(c, boxes, {b"fred": b"sesame"}),
                    self.certificate,
                )
            )
            self.binary_port = stack.enter_context(
                listening(
                    lambda: SmtpServer(extensions=BINARY),
                    lambda c, _: serve_smtp(c, self.binary),
                    self.certificate,
                )
            )
            controller = Controller(
                Kept(self.aio), hostname="127.0.0.1", port=self.aio_port, data_size_limit=0
            )
            controller.start()
            stack.callback(controller.stop)
            yield

    def sinks(self, home: Path) -> Mapping[str, Sink]:
        """Return all sinks, by name; what is theirs alone lies below ``home``."""
        dovecot, exim = self.dovecot, self.exim
        by_lmtp, by_append = dovecot.new_user(), dovecot.new_user()
        (home / "mda").mkdir()
        keep = script(home / "keep", f"cat >{home}/mda/$$\n")
        url = f"imap://{by_append}@localhost:{dovecot.imap_port}/INBOX"
        password = f"appendpassword {dovecot.password}"
        smtp = "smtphost localhost/"
        every = [
            Sink("SMTP to Exim", f"{smtp}{exim.port}", lambda: of_exim(exim), as_lines),
            Sink(
                "SMTP to Postfix",
                f"{smtp}{self.postfix.port}",
                self.postfix.delivered,
                as_postfix_has_it,
            ),
            Sink(
                "SMTP to OpenSMTPD",
                f"{smtp}{self.opensmtpd.port}",
                self.opensmtpd.delivered,
                as_opensmtpd_has_it,
            ),
            Sink("SMTP to aiosmtpd", f"{smtp}{self.aio_port}", lambda: self.aio, as_lines),
            Sink(
                "BDAT to mailhaul's own server",
                f"{smtp}{self.binary_port}",
                lambda: [one.text for one in self.binary.messages],
                as_binary,
            ),
            Sink(
                "LMTP to Dovecot",
                f"is {by_lmtp} here lmtp smtphost localhost/{dovecot.lmtp_port}",
                lambda: dovecot.messages(by_lmtp),
                as_lines,
            ),
            Sink(
                "`exim -bs` on a pipe",
                f'plugout "{" ".join(exim.bs_argv)}"',
                lambda: of_exim(exim),
                as_lines,
            ),
            Sink("MDA", f'mda "{keep}"', files_in(home / "mda"), as_text),
            Sink("Maildir", "maildir Mail", lambda: read_maildir(home / "Mail"), as_text),
            Sink("mbox", "mbox box", lambda: read_mbox(home / "box"), as_text),
            Sink("BSMTP", "bsmtp batch", lambda: read_batch(home / "batch"), as_lines),
            Sink(
                "APPEND to Dovecot",
                f'append "{url}" {password}',
                lambda: dovecot.messages(by_append),
                as_appended,
            ),
        ]
        return {sink.name: sink for sink in every}

    def clear(self) -> None:
        """Forget what was delivered before."""
        for server in (self.exim, self.postfix, self.opensmtpd):
            server.clear()
        self.binary.messages.clear()
        self.aio.clear()

    def carry(self, sink: Sink, home: Path) -> tuple[Run, Mapping[str, str]]:
        """Send all of NASTY through a sink; return what became of each message."""
        self.clear()
        self.inbox.messages.clear()
        for text in NASTY.values():
            self.inbox.append(text)
        # plugout stands among the options of the server.
        server, user = (sink.options, "") if "plugout" in sink.options else ("", sink.options)
        user = user if "here" in user else f"is bob here {user}"
        run = mailhaul(
            f"poll localhost no dns protocol IMAP port {self.port} {server}\n"
            f"  user fred password sesame sslproto '' {user}\n",
            home,
        )
        left = {name_of(message.text) for message in self.inbox.messages}
        return run, judged(sink, left)


def of_exim(exim: Exim) -> list[bytes]:
    return [one.data for one in exim.delivered()]


def name_of(text: bytes) -> str:
    found = KEY.search(text)
    return found[1].decode() if found else "?"


def judged(sink: Sink, left: set[str]) -> Mapping[str, str]:
    """Return "whole", "kept", or what is wrong, for each message; "?" stands for strangers."""
    arrived: dict[str, list[bytes]] = {}
    for text in sink.stored():
        arrived.setdefault(name_of(text), []).append(text)
    fates: dict[str, str] = {}
    for name, original in NASTY.items():
        copies = arrived.pop(name, [])
        expected = sink.rule(original)
        if not copies:
            fates[name] = "kept" if name in left else "LOST"
        elif len(copies) > 1 or name in left:
            fates[name] = f"{len(copies)} COPIES, {'' if name in left else 'not '}kept"
        else:
            fates[name] = "whole" if is_whole(copies[0], expected) else "ALTERED"
    if arrived:
        fates["?"] = f"{sum(map(len, arrived.values()))} STRANGERS"
    return fates


def is_whole(stored: bytes, expected: bytes) -> bool:
    """Tell whether a message is there, below fields that were added."""
    # Exim ends a header with a blank line, whether a body follows or not.
    place = stored.find(expected)
    added, rest = stored[:place], stored[place + len(expected) :]
    return place >= 0 and not rest.strip(b"\r\n") and not re.search(rb"\n\r?\n", added)
