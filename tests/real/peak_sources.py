"""Our own servers with mail of any size, and what mailhaul may need to collect it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3

from .peak import Measured, measured
from .servers.streaming import streaming

MOST_MEGABYTES = 40


class Source:
    """A mailbox that is served, and the options that collect from it."""

    def __init__(self, mailbox: Mailbox, options: str) -> None:
        self.mailbox = mailbox
        self.options = options

    def rc(self, delivery: str) -> str:
        """Return an rc file that takes the mail to where these options say."""
        return (
            "set invisible\n"
            f"poll localhost no dns {self.options}\n"
            f"  user joe password sesame sslproto '' {delivery}\n"
        )


@contextmanager
def imap(mailbox: Mailbox) -> Generator[Source, None, None]:
    """Serve a mailbox by IMAP until the block ends."""
    boxes = Mailboxes({b"INBOX": mailbox})
    with streaming(ImapServer, lambda c: serve_imap(c, boxes, {b"joe": b"sesame"})) as port:
        yield Source(mailbox, f"protocol IMAP port {port}")


@contextmanager
def pop3(mailbox: Mailbox) -> Generator[Source, None, None]:
    """Serve a mailbox by POP3 until the block ends."""
    drop, logins = Maildrop(mailbox), Logins({b"joe": b"sesame"})
    with streaming(Pop3Server, lambda c: serve_pop3(c, drop, logins)) as port:
        yield Source(mailbox, f"protocol POP3 port {port}")


Serve = Callable[[Mailbox], AbstractContextManager[Source]]


def carry(source: Source, delivery: str, home: Path) -> None:
    """Let mailhaul collect the mail; fail unless it has, in little memory."""
    run = measured(source.rc(delivery), home)
    assert (run.code, run.err) == (0, ""), run
    assert source.mailbox.messages == []
    check_memory(run)


def check_memory(run: Measured) -> None:
    """Fail where a run had too much; say how much it was."""
    megabytes = run.memory / 2**20
    print(f"peak {megabytes:.1f} MB")
    assert megabytes < MOST_MEGABYTES, run
