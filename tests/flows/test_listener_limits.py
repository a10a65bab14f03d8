"""A listener that accepts a limited number of messages per connection, and then sends 421."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.smtp.commands import EndOfData, Heard, Mail
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.servers.imap import Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .hostile.world import SINK, SOURCE, World

TOO_MANY = Reply(421, (b"4.7.0 too many messages in this connection",))
PIPELINING, LOCKSTEP = DEFAULT_EXTENSIONS, {b"8BITMIME": b""}


class Listener:
    """Accepts a number of messages on each connection."""

    def __init__(self, world: World, most: int, extensions: dict[bytes, bytes]) -> None:
        self.received = MemorySink()
        self.connections = self.refused = 0
        self._most = most
        self._extensions = extensions
        world.simulation.listen(SINK, self._machine, self._serve)

    def _machine(self) -> SmtpServer:
        return SmtpServer(extensions=dict(self._extensions))

    async def _serve(self, channel: Channel[SmtpServer]) -> None:
        self.connections += 1
        taken = 0

        def policy(heard: Heard) -> Reply | None:
            nonlocal taken
            if isinstance(heard, Mail) and taken >= self._most:
                self.refused += 1
                return TOO_MANY
            taken += isinstance(heard, EndOfData)
            return None

        await serve_smtp(channel, MemorySink(policy, messages=self.received.messages))


@pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP], ids=["pipelining", "lockstep"])
@pytest.mark.parametrize("most", [0, 1, 3])
def test_messages_beyond_the_limit_are_sent_over_a_new_connection(
    tmp_path: Path, most: int, extensions: dict[bytes, bytes]
) -> None:
    world = World(tmp_path)
    texts = [b"Subject: %d\r\n\r\nHello\r\n" % number for number in range(10)]
    box = Mailbox(texts)
    world.simulation.listen(
        SOURCE,
        ImapServer,
        lambda c: serve_imap(c, Mailboxes({b"INBOX": box}), {b"joe": b"sesame"}, Misbehaviour()),
    )
    listener = Listener(world, most, extensions)
    code = world.poll()
    if most == 0:
        # If it accepts none, another connection would not help.
        assert (code, len(box.messages), listener.connections) == (ExitCode.SMTP, 10, 10)
        assert listener.received.messages == []
        return
    assert (code, len(box.messages)) == (ExitCode.SUCCESS, 0)
    assert len(listener.received.messages) == 10
    assert listener.connections == -(-10 // most)
    assert listener.refused == listener.connections - 1
