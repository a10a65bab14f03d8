"""Our own servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import gmtime
from typing import Any

from mailhaul import __version__
from mailhaul.flows.channel import Channel
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.servers.imap import ALL_CAPABILITIES, ImapService
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Pop3Service
from mailhaul.servers.smtp import MemorySink, Received, SmtpService
from tests.conformance.loopback import MaildirWorld
from tests.conformance.pop3_server import JOE, Mutant
from tests.conformance.smtp_server import EXTENSIONS, TRACE, WHOLE, house_rules, verdict
from tests.real.servers.maildir import Maildir
from tests.real.servers.ours import Secure, Serve, listening, nonce
from tests.real.servers.process import owned_folder

from ..trials import PASSWORD, USERS, Trial, accounts, addresses
from .place import Place

PASSWORDS = {user.encode(): PASSWORD.encode() for user in USERS}


class Deliveries(list[Received]):
    """The messages of a sink, each delivered to a Maildir as it comes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def append(self, message: Received) -> None:
        """Deliver a message to its recipients."""
        for recipient in message.recipients:
            name = recipient.partition(b"@")[0].decode("ascii", "replace")
            text = TRACE.replace(b"%b", message.sender) + message.text
            Maildir(self._folder / name).deliver(text.replace(b"\r\n", b"\n"))


def imap() -> Serve:
    """Return what serves IMAP connections."""
    mailboxes = Mailboxes({b"INBOX": Mailbox([], uidvalidity=1)})

    async def serve(channel: Channel[Any], secure: Secure) -> None:
        service = ImapService(channel, mailboxes, PASSWORDS, ALL_CAPABILITIES, secure, clock=gmtime)
        await service.run()

    return serve


def pop3(folder: Path) -> Serve:
    """Return what serves POP3 connections: the first user's mail, which is in a Maildir."""
    world = MaildirWorld(Mutant(), folder / USERS[0])

    async def serve(channel: Channel[Any], secure: Secure) -> None:
        world.load()
        await Pop3Service(channel, world.maildrops[JOE], Logins(PASSWORDS, nonce), secure).run()
        world.store()

    return serve


def smtp(folder: Path) -> Serve:
    """Return what serves SMTP or LMTP connections."""
    sink = MemorySink(verdict=verdict, messages=Deliveries(folder))

    async def serve(channel: Channel[Any], secure: Callable[[], Awaitable[None]]) -> None:
        chosen = replace(sink, policy=house_rules(WHOLE))
        await SmtpService(channel, chosen, Logins(PASSWORDS, nonce), secure).run()

    return serve


@contextmanager
def mailhaul(place: Place) -> Generator[list[Trial]]:
    """Yield the trials of all four servers."""
    good, folder = place.certificates.good, place.folder / "mailhaul"
    label = f"mailhaul {__version__}"
    common = [*accounts(place.folder), *place.trust]
    store = ["--mail", f"maildir:{folder}/%n"]
    mail = [*addresses(), *store]
    owned_folder(folder)
    full = ["--failing-recipient", "full@example.org"]
    with (
        listening(ImapServer, imap(), good) as imap_port,
        listening(Pop3Server, pop3(folder), good) as pop3_port,
        listening(lambda: SmtpServer(False, EXTENSIONS), smtp(folder), good) as smtp_port,
        listening(lambda: SmtpServer(True, EXTENSIONS), smtp(folder), good) as lmtp_port,
    ):
        yield [
            Trial("mailhaul-imap", label, "imap", [f"localhost:{imap_port}", *common]),
            Trial("mailhaul-pop3", label, "pop3", [f"localhost:{pop3_port}", *common, *store]),
            Trial("mailhaul-smtp", label, "smtp", [f"localhost:{smtp_port}", *common, *mail]),
            Trial(
                *("mailhaul-lmtp", label, "lmtp"),
                [f"localhost:{lmtp_port}", *common, *mail, *full],
            ),
        ]
