"""Our POP3 server on a loopback port, whole or with a fault, with a Maildir as its mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import trustme

from mailhaul.conformance.environment import Target
from mailhaul.conformance.mbox import with_crlf
from mailhaul.conformance.stores import mail_in
from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Message
from tests.real.servers.certificates import Certificate
from tests.real.servers.ours import listening

from .interposed import Interposed
from .pop3_server import ANN, JOE, Mutant, Pop3World

LOGINS = Logins({user.name: user.password for user in (JOE, ANN)})


class MaildirWorld(Pop3World):
    """A server with a Maildir: read at the beginning of each connection, updated at its end."""

    def __init__(self, mutant: Mutant, folder: Path) -> None:
        super().__init__(mutant)
        self._folder = folder
        self._loaded: dict[Path, Message] = {}

    def load(self) -> None:
        mailbox = self.maildrops[JOE].mailbox
        files = mail_in(self._folder)
        if files != [*self._loaded]:
            mailbox.discard(list(mailbox.messages))
            self._loaded = {path: mailbox.append(with_crlf(path.read_bytes())) for path in files}

    def store(self) -> None:
        left = self.maildrops[JOE].mailbox.messages
        for path, message in [*self._loaded.items()]:
            if message not in left:
                path.unlink(missing_ok=True)
                del self._loaded[path]


class Authority:
    """A certificate authority, and its certificate for localhost."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.file = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.file))
        self.certificate = Certificate(folder / "chain.pem", folder / "key.pem")
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(str(self.certificate.chain))
        issued.private_key_pem.write_to_path(str(self.certificate.key))


@contextmanager
def pop3_on_loopback(
    world: Pop3World, authority: Authority, mutant: Mutant | None = None, *, tls: bool = False
) -> Generator[int]:
    """Serve POP3, with TLS first or without any; yield the port."""
    chosen = mutant or Mutant()

    async def serve(channel: Channel[Any], secure: Callable[[], Awaitable[None]]) -> None:
        if isinstance(world, MaildirWorld):
            world.load()
        service = chosen.service(
            channel, world.maildrops[JOE], LOGINS, None if tls else secure, **chosen.options
        )
        await service.run()
        if isinstance(world, MaildirWorld):
            world.store()

    def make() -> Any:
        # A fault that is used up is whole again for the next connection.
        return Interposed(chosen.machine(), [replace(fault) for fault in chosen.faults])

    with listening(make, serve, authority.certificate, implicit_tls=tls) as port:
        yield port


def target_at(port: int, world: Pop3World) -> Target:
    """Return the target of a server, with its mail as the store."""
    place, trust = Tcp("localhost", port), Trust("localhost", verify=False)
    return Target("ours", place, JOE, trust, other_user=ANN, store=world)
