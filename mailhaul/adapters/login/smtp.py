"""From an address to an SMTP or LMTP session: greeting, EHLO, TLS, login, in that order.

Whoever hands mail on (sinks/smtp.py) and whoever asks for mail (etrn.py) comes in by this door.
What the server refuses is raised as RefusedByServer or NotLoggedIn; what the machine and the
runtime raise passes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...flows.channel import Channel, next_event
from ...flows.requests import Address, Open, Tcp, Trust, UpgradeToTls
from ...protocols.errors import ConnectionLost, ProtocolError
from ...protocols.machine import NeedData
from ...protocols.sasl.exchange import Challenge
from ...protocols.smtp.client import SmtpClient
from ...protocols.smtp.commands import Command, Ehlo, Helo, StartTls
from ...protocols.smtp.events import Answered, Closed, Greeted, Reply, SaidGoodbye, TlsReady

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials

READY = 220
GOING_AWAY = 421

Decision = Greeted | Answered | Challenge | TlsReady


class RefusedByServer(ProtocolError):
    """The server does not want to talk to us, or does not let us in."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply_text(reply))
        self.reply = reply


class NotLoggedIn(ProtocolError):
    """There is no way to log in here; the text is for people."""


async def connect(
    channel: Channel[SmtpClient], address: Address, patience: float, wrapped: Trust | None = None
) -> None:
    """Open a connection and hear the greeting; ``wrapped`` is for TLS from the first byte."""
    await Open(channel, address, patience)
    if wrapped:
        await UpgradeToTls(channel, wrapped, patience)
    match await decision(channel, patience):
        case Greeted(reply) if reply.code == READY:
            return
        case Greeted(reply):
            raise RefusedByServer(reply)
        case _:
            raise AssertionError("an answer before the greeting")


async def introduce(
    channel: Channel[SmtpClient], name: bytes, patience: float, *, plain: bool = False
) -> None:
    """Say EHLO or LHLO, or HELO where EHLO is refused, or at once if ``plain``."""
    refusal = await _hello(channel, Helo(name) if plain else Ehlo(name), patience)
    if refusal and not (channel.machine.lmtp or plain or refusal.code == GOING_AWAY):
        refusal = await _hello(channel, Helo(name), patience)
    if refusal:
        raise RefusedByServer(refusal)


async def _hello(
    channel: Channel[SmtpClient], command: Ehlo | Helo, patience: float
) -> Reply | None:
    """Introduce ourselves; return the reply if it is a refusal."""
    reply = await ask(channel, command, patience)
    # Some servers forget the dashes of a reply of several lines (RFC 5321, 4.2): what came with
    # its first line would be taken for replies to the next commands.
    match channel.machine.next_event():
        case NeedData():
            return None if reply.positive else reply
        case SaidGoodbye(goodbye):
            raise RefusedByServer(goodbye)
        case _:
            raise ConnectionLost("connection closed after the reply to EHLO")


async def start_tls(
    channel: Channel[SmtpClient], trust: Trust, name: bytes, patience: float
) -> None:
    """Turn the connection into an encrypted one, and introduce ourselves again."""
    channel.machine.send(StartTls())
    match await decision(channel, patience):
        case Answered(_, reply):
            raise RefusedByServer(reply)
        case _:
            pass
    await UpgradeToTls(channel, trust, patience)
    channel.machine.tls_started()
    await introduce(channel, name, patience)


async def log_in(
    channel: Channel[SmtpClient], held: Credentials, patience: float, *, may_show: bool
) -> None:
    """Log in by the best mechanism that works; ``may_show`` says that nobody reads along."""
    from ...flows.authenticate import authenticate
    from ...protocols.sasl.choose import make_client
    from ...protocols.sasl.errors import SaslError

    announced = mechanisms_of(channel)
    problem: ProtocolError = NotLoggedIn(refuse_all_methods(channel, held))
    doubted = False
    for way in allowed_methods(channel, held, may_show=may_show):
        if doubted and way in SHOWS_PASSWORD:
            continue
        nonce = os.urandom(18).hex().encode("ascii")
        mechanism = make_client(way, held, nonce=nonce, announced=announced)
        answer, fault = await authenticate(channel, mechanism, lambda: decision(channel, patience))
        accepted = answer.reply.positive
        try:
            if accepted:
                mechanism.finish()
        except SaslError as error:
            fault = error
        if accepted and fault is None:
            return
        problem = RefusedByServer(answer.reply)
        if fault:
            problem = NotLoggedIn(f"{way.decode('ascii')} went wrong: {fault.problem}")
        if accepted or answer.reply.code == GOING_AWAY:
            break
        # Whoever could not prove to know the password is not told it by another mechanism.
        doubted = doubted or (fault is not None and way not in SHOWS_PASSWORD)
    raise problem


SHOWS_PASSWORD = frozenset({b"PLAIN", b"LOGIN"})


def mechanisms_of(channel: Channel[SmtpClient]) -> list[bytes]:
    """Return the SASL mechanisms that the server announced."""
    return channel.machine.extensions.get(b"AUTH", b"").upper().split()


def allowed_methods(
    channel: Channel[SmtpClient], held: Credentials, *, may_show: bool
) -> list[bytes]:
    """Return the mechanisms to try here, the best first."""
    from ...protocols.sasl.choose import choose

    return choose(mechanisms_of(channel), held, protected=may_show or channel.tls)


def refuse_all_methods(channel: Channel[SmtpClient], held: Credentials) -> str:
    """Say why there is no way to log in."""
    if allowed_methods(channel, held, may_show=True):
        return "the listener offers no TLS, and the password is not sent without it"
    return "the listener offers no way to log in (AUTH)"


def is_local(channel: Channel[SmtpClient], address: Address) -> bool:
    """Whether an open connection leads to this host only, by a socket, a pipe or loopback."""
    if not isinstance(address, Tcp):
        return True
    from ipaddress import ip_address

    try:
        found = ip_address(channel.address.partition("%")[0] or address.host)
    except ValueError:
        return not channel.address and address.host.lower() == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


async def ask(channel: Channel[SmtpClient], command: Command, patience: float) -> Reply:
    """Send a command; return the reply to it."""
    channel.machine.send(command)
    match await decision(channel, patience):
        case Answered(_, reply):
            return reply
        case _:
            raise AssertionError("no answer to the command that was sent")


async def decision(channel: Channel[SmtpClient], patience: float) -> Decision:
    """Wait for what answers the last command, or for the greeting."""
    while True:
        match await next_event(channel, patience):
            case SaidGoodbye(reply):
                raise RefusedByServer(reply)
            case Closed():
                raise ConnectionLost("connection closed before the answer")
            case event:
                decided: Decision = event
                return decided


def reply_text(reply: Reply) -> str:
    """Return a reply as one line of text."""
    text = b" ".join(line.strip() for line in reply.lines)
    return f"{reply.code} {shown(text)}".strip()


def shown(text: bytes) -> str:
    """Return bytes from the wire as text, cut to a length that fits a line."""
    return text[:300].decode("utf-8", "replace")
