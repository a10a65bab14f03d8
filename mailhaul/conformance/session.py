"""One connection of a case: exact octets out, lines and octets in, all of it in the transcript."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ..flows.channel import Channel
from ..flows.requests import (
    Address,
    Close,
    Now,
    Open,
    OpenFailed,
    RuntimeFault,
    Sleep,
    TimedOut,
    Trust,
    UpgradeToTls,
    Wait,
)
from ..protocols.outbox import Outbox
from .transcript import CLIENT, REMARK, SERVER, Transcript
from .verdicts import Broken, SetUpFailed, set_up

MAX_LINE = 1024 * 1024
"""Octets of a line after which it is taken to have no end."""
Codec = Callable[[bytes], bytes]
"""What turns the octets of one direction into others, such as a compressor."""


class Silence(Broken):
    """The peer sent nothing for so long."""

    def __init__(self, expected: str, seconds: float) -> None:
        super().__init__(expected, f"silence for {seconds:g} seconds")


class Hangup(Broken):
    """The peer closed the connection."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected, "the end of the connection")


class Probe:
    """The machine of a session. It knows no protocol: octets go out and come in as they are."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self._outbox = Outbox()
        self._incoming: Codec | None = None
        self._outgoing: Codec | None = None

    def translate(self, incoming: Codec, outgoing: Codec) -> None:
        """Pass through these what comes from here on, with what is not read yet, and what goes."""
        self._incoming, self._outgoing = incoming, outgoing
        self.received[:] = incoming(bytes(self.received))

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the peer sent."""
        self.received += self._incoming(data) if self._incoming else data

    def receive_eof(self) -> None:
        """Take note that the peer will send no more."""
        self.ended = True

    def put(self, data: bytes) -> None:
        """Queue bytes for the peer."""
        self._outbox.put(self._outgoing(data) if self._outgoing else data)

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the bytes that are due to the peer."""
        return self._outbox.take()

    @property
    def unsent(self) -> int:
        """How many bytes ``data_to_send`` would hand over now."""
        return self._outbox.size


class Session:
    """One connection to the target. ``timeout`` is in seconds for each wait."""

    def __init__(self, number: int, peer: str, timeout: float, transcript: Transcript) -> None:
        self.channel = Channel(peer, Probe())
        self.timeout = timeout
        self.bare_line_ends = 0
        """How many lines ended with LF alone."""
        self._number = number
        self._transcript = transcript
        self._began = 0.0

    # Opening and closing

    async def open(self, address: Address, began: float, tls: Trust | None = None) -> None:
        """Connect; with ``tls`` the handshake comes first. Raises SetUpFailed."""
        self._began = began
        try:
            await Open(self.channel, address, self.timeout)
        except RuntimeFault as fault:
            raise SetUpFailed(f"cannot connect to {self.channel.peer}: {fault}") from None
        await self._note(REMARK, b"connected")
        if tls:
            with set_up(f"no TLS with {self.channel.peer}"):
                await self.start_tls(tls)

    async def start_tls(self, trust: Trust) -> None:
        """Perform the handshake. Raises Broken."""
        try:
            await UpgradeToTls(self.channel, trust, self.timeout)
        except RuntimeFault as fault:
            reason, _, _ = str(fault).partition(";")
            if reason.startswith("certificate refused"):
                raise SetUpFailed(f"{reason}; give its CA with --ca FILE") from None
            raise Broken("a TLS handshake", str(fault)) from None
        await self._note(REMARK, b"TLS started")

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.channel.tls

    async def close(self) -> None:
        """Close the connection; what had not been read goes to the transcript."""
        if self.channel.machine.received:
            await self._note(SERVER, bytes(self.channel.machine.received))
            self.channel.machine.received.clear()
        if self.channel.open:
            await self._note(REMARK, b"closed by the client")
            await Close(self.channel)

    async def leave(self, farewell: bytes, seconds: float) -> None:
        """Send a farewell, and give the server this time to close the connection.

        This comes after the end of the case, and is not in the transcript.
        """
        machine = self.channel.machine
        if not self.channel.open or self.channel.failure:
            return
        if machine.received:
            await self._note(SERVER, bytes(machine.received))
        machine.put(farewell)
        end = await Now() + seconds
        with suppress(RuntimeFault):
            while not machine.ended and (left := end - await Now()) > 0:
                await Wait([self.channel], left)
        machine.received.clear()

    # Octets

    async def send(self, octets: bytes, *, shown: bytes | None = None) -> None:
        """Send these octets, without a line end of our own.

        ``shown`` is what the transcript has in place of very many octets.
        """
        await self._note(CLIENT, octets if shown is None else shown)
        self.channel.machine.put(octets)
        # Pending output is written at every request.
        await Sleep(0)

    async def line(self, expected: str = "a line") -> bytes:
        """Return the next line without its end. Raises Silence and Hangup."""
        received = self.channel.machine.received
        searched = 0
        while (end := received.find(b"\n", searched)) < 0:
            searched = len(received)
            if searched > MAX_LINE:
                raise Broken(expected, f"a line of more than {MAX_LINE} octets")
            await self._more(expected)
        line = bytes(received[: end + 1])
        del received[: end + 1]
        await self._note(SERVER, line)
        self.bare_line_ends += not line.endswith(b"\r\n")
        return line[:-1].removesuffix(b"\r")

    async def octets(self, count: int, expected: str = "octets") -> bytes:
        """Return exactly so many octets. Raises Silence and Hangup."""
        received = self.channel.machine.received
        while len(received) < count:
            await self._more(expected)
        octets = bytes(received[:count])
        del received[:count]
        await self._note(SERVER, octets)
        return octets

    async def pending(self, seconds: float) -> bytes:
        """Return what has come after so many seconds, and leave it there to be read."""
        await self._listen(seconds)
        return bytes(self.channel.machine.received)

    async def is_closed(self) -> bool:
        """Wait for the end of the connection; return whether it came. Lines before it are dropped.

        A server that resets the connection has closed it too.
        """
        while not self.channel.machine.ended and not self.channel.failure:
            try:
                await self._more("the end of the connection")
            except Hangup:
                break
            except Silence:
                return False
        return True

    async def _listen(self, seconds: float) -> None:
        """Read whatever comes in this time."""
        end = await Now() + seconds
        while (left := end - await Now()) > 0 and not self.channel.machine.ended:
            try:
                await Wait([self.channel], left)
            except TimedOut:
                return
            except OpenFailed:
                self.channel.machine.receive_eof()

    async def _more(self, expected: str) -> None:
        """Wait until something comes. Raises Silence and Hangup."""
        machine = self.channel.machine
        if machine.ended:
            await self._note(REMARK, b"closed by the server")
            raise Hangup(expected)
        before = len(machine.received)
        try:
            while len(machine.received) == before and not machine.ended:
                await Wait([self.channel], self.timeout)
        except TimedOut:
            raise Silence(expected, self.timeout) from None
        except RuntimeFault:
            machine.receive_eof()
        if len(machine.received) == before:
            await self._note(REMARK, b"closed by the server")
            raise Hangup(expected)

    async def _note(self, who: str, octets: bytes) -> None:
        self._transcript.add(await Now() - self._began, self._number, who, octets)
