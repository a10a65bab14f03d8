"""A listener with scripted replies, down to single bytes, in virtual time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import Outcome
from mailhaul.flows.requests import Close, Sleep, Tcp, Wait
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.protocols.outbox import Outbox
from mailhaul.runtimes.simulated import Simulation

HEADER = b"Subject: s\r\n\r\n"
PIPELINING = b"250-sink\r\n250 PIPELINING\r\n"
CHUNKING = b"250-sink\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"
SERIAL = b"250 sink\r\n"

Answer = bytes | tuple[bytes | float | None, ...]
"""A reply, or a sequence: pieces of replies, seconds to wait, and None to close the connection."""


class Line:
    """The machine of a peer without protocol rules."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = False
        self._outbox = Outbox()

    def receive_data(self, data: bytes) -> None:
        self.heard += data

    def receive_eof(self) -> None:
        self.ended = True

    def say(self, data: bytes) -> None:
        self._outbox.put(data)

    def data_to_send(self) -> list[bytes]:
        return self._outbox.take()

    @property
    def unsent(self) -> int:
        return self._outbox.size


class HungUp(Exception):
    """The connection has ended."""


class Script:
    """The replies of a listener, and the commands that it has received.

    ``answers`` has for each verb (or "greeting", ".") one answer or a list of answers, of which the
    last one is repeated.
    """

    def __init__(self, ehlo: Answer = PIPELINING, **answers: Answer | list[Answer]) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {
            "greeting": b"220 sink\r\n",
            "EHLO": ehlo,
            "LHLO": ehlo,
            "DATA": b"354 go\r\n",
            "QUIT": (b"221 bye\r\n", None),
            **answers,
        }
        self.heard: list[bytes] = []
        self.texts: list[bytes] = []
        self.connections = 0

    def _next(self, verb: str) -> Answer:
        answer = self.answers.get(verb, b"250 ok\r\n")
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    async def serve(self, channel: Channel[Line]) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            await self._say(channel, "greeting")
            while True:
                line = await self._line(channel)
                self.heard.append(line)
                await self._obey(channel, line)
        except HungUp:
            await Close(channel)

    async def _obey(self, channel: Channel[Line], line: bytes) -> None:
        verb = line.split(b" ")[0].decode().upper()
        if chunk := re.match(rb"BDAT (\d+)", line):
            size = int(chunk[1])
            while len(channel.machine.heard) < size:
                await self._more(channel)
            self.texts.append(bytes(channel.machine.heard[:size]))
            del channel.machine.heard[:size]
        said = await self._say(channel, verb)
        if verb == "DATA" and said.startswith(b"354"):
            text = b""
            while (line := await self._line(channel)) != b".":
                text += line + b"\r\n"
            self.texts.append(text)
            await self._say(channel, ".")

    async def _say(self, channel: Channel[Line], verb: str) -> bytes:
        answer = self._next(verb)
        said = b""
        for piece in [answer] if isinstance(answer, bytes) else answer:
            if piece is None:
                await Sleep(0)
                raise HungUp
            if isinstance(piece, bytes):
                channel.machine.say(piece)
                said += piece
            else:
                await Sleep(piece)
        return said

    async def _line(self, channel: Channel[Line]) -> bytes:
        while b"\n" not in channel.machine.heard:
            await self._more(channel)
        line, _, rest = bytes(channel.machine.heard).partition(b"\n")
        channel.machine.heard[:] = rest
        return line.rstrip(b"\r")

    async def _more(self, channel: Channel[Line]) -> None:
        if channel.machine.ended:
            raise HungUp
        await Wait([channel], 1e9)


class World:
    """Listeners, and a sink with these listeners as its hunt list."""

    def __init__(self, *scripts: Script, lmtp: bool = False, timeout: float = 20.0) -> None:
        self.simulation = Simulation()
        listeners: list[Listener] = []
        for number, script in enumerate(scripts):
            place = Tcp(f"host{number}", 25)
            self.simulation.listen(place, Line, script.serve)
            listeners.append(Listener(place.host, place, lmtp, place.host))
        self.sink = SmtpSink(listeners, "client", timeout)

    def run(self, story: Callable[[], Any]) -> Any:
        return self.simulation.run(story())

    def hand_over(
        self, *recipients: Sequence[bytes], text: bytes = b"text\r\n", names: bool = False
    ) -> list[Outcome]:
        """Deliver a message to each group of recipients as a poll does; return the outcomes."""
        outcomes: list[Outcome] = []

        async def story() -> None:
            last = None
            size = len(HEADER + text)
            for group in recipients:
                short = tuple(one.partition(b"@")[0] for one in group) if names else ()
                parcel = Parcel(b"a@x", tuple(group), HEADER, size, names=short)
                delivery = await self.sink.offer(parcel)
                if last:
                    outcomes.append(await last.outcome())
                if await delivery.ready():
                    await delivery.feed(HEADER + text)
                if delivery.known_outcome() is None:
                    await delivery.complete(CompletionProof(1, size))
                last = delivery
            if last:
                outcomes.append(await last.outcome())
            await self.sink.close()

        self.simulation.run(story())
        return outcomes


def recipients_of(outcome: Outcome) -> Mapping[str, str]:
    """Return the verdict for each recipient, as words."""
    return {who: verdict.value for who, verdict in outcome.recipients}
