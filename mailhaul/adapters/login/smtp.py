"""Open an SMTP or LMTP session: connection, greeting, EHLO, TLS and login, in this order.

Both the SMTP sink (sinks/smtp.py) and ETRN (etrn.py) connect with these functions. If the server
refuses, they raise RefusedByServer or NotLoggedIn; errors of the machine and the runtime are not
caught.
"""

from __future__ import annotations

import os

from ... import sasl, smtp
from ...flows.channel import Channel, next_event
from ...flows.requests import Address, Open, Tcp, Trust, UpgradeToTls
from ...protocols.errors import ConnectionLost, ProtocolError
from ...protocols.machine import NeedData

READY = 220
GOING_AWAY = 421

Decision = smtp.Greeted | smtp.Answered | smtp.Challenge | smtp.TlsReady


class RefusedByServer(ProtocolError):
    """The server refuses the connection, a command or the login; ``reply`` is its reply."""

    def __init__(self, reply: smtp.Reply) -> None:
        super().__init__(reply_text(reply))
        self.reply = reply


class TokenRefused(RefusedByServer):
    """The server refuses a token; ``details`` is what it said with that.

    ``permanent`` is false for a reply that may be different later.
    """

    def __init__(self, reply: smtp.Reply, details: bytes) -> None:
        super().__init__(reply)
        self.args = (f"{self.args[0]}{details.decode('utf-8', 'replace')}",)
        self.permanent = reply.code >= 500


class NotLoggedIn(ProtocolError):
    """No login method is possible or succeeded. ``str()`` is the reason, for the user."""


async def connect(
    channel: Channel[smtp.Client], address: Address, timeout: float, wrapped: Trust | None = None
) -> None:
    """Open a connection and wait for the greeting; ``wrapped`` is for TLS from the first byte.

    ``timeout`` is the limit of each wait in seconds, here and below.
    """
    await Open(channel, address, timeout)
    if wrapped:
        await UpgradeToTls(channel, wrapped, timeout)
    match await decision(channel, timeout):
        case smtp.Greeted(reply) if reply.code == READY:
            return
        case smtp.Greeted(reply):
            raise RefusedByServer(reply)
        case _:
            raise AssertionError("a reply before the greeting")


async def introduce(
    channel: Channel[smtp.Client], name: bytes, timeout: float, *, plain: bool = False
) -> None:
    """Send EHLO or LHLO, and HELO if EHLO is refused; with ``plain`` only HELO."""
    refusal = await _hello(channel, smtp.Helo(name) if plain else smtp.Ehlo(name), timeout)
    if refusal and not (channel.machine.lmtp or plain or refusal.code == GOING_AWAY):
        refusal = await _hello(channel, smtp.Helo(name), timeout)
    if refusal:
        raise RefusedByServer(refusal)


async def _hello(
    channel: Channel[smtp.Client], command: smtp.Ehlo | smtp.Helo, timeout: float
) -> smtp.Reply | None:
    """Send a greeting command; return the reply if it is a refusal."""
    reply = await ask(channel, command, timeout)
    # Some servers omit the dashes of a multiline reply (RFC 5321, 4.2): the lines received with
    # the first one would be taken for replies to the next commands.
    match channel.machine.next_event():
        case NeedData():
            return None if reply.positive else reply
        case smtp.SaidGoodbye(goodbye):
            raise RefusedByServer(goodbye)
        case _:
            raise ConnectionLost("connection closed after the reply to EHLO")


async def start_tls(
    channel: Channel[smtp.Client], trust: Trust, name: bytes, timeout: float
) -> None:
    """Start TLS, and send EHLO again."""
    channel.machine.send(smtp.StartTls())
    match await decision(channel, timeout):
        case smtp.Answered(_, reply):
            raise RefusedByServer(reply)
        case _:
            pass
    await UpgradeToTls(channel, trust, timeout)
    channel.machine.tls_started()
    await introduce(channel, name, timeout)


async def log_in(
    channel: Channel[smtp.Client], held: sasl.Credentials, timeout: float, *, may_show: bool
) -> None:
    """Log in by the best mechanism that works. ``may_show`` is true for a local connection."""
    from ...flows.authenticate import authenticate

    announced = mechanisms_of(channel)
    problem: ProtocolError = NotLoggedIn(why_no_method(channel, held))
    distrusted = False
    for method in allowed_methods(channel, held, may_show=may_show):
        if distrusted and method in SHOWS_PASSWORD:
            continue
        nonce = os.urandom(18).hex().encode("ascii")
        mechanism = sasl.make_client(method, held, nonce=nonce, announced=announced)
        answer, fault = await authenticate(
            channel, mechanism, lambda: answer_to_auth(channel, timeout)
        )
        accepted = answer.reply.positive
        try:
            if accepted:
                mechanism.finish()
        except sasl.SaslError as error:
            fault = error
        if accepted and fault is None:
            return
        problem = RefusedByServer(answer.reply)
        if held.token is not None:
            from .tokens import details_of

            problem = TokenRefused(answer.reply, details_of(mechanism))
        if fault:
            problem = NotLoggedIn(f"{method.decode('ascii')} failed: {fault.problem}")
        if accepted or answer.reply.code == GOING_AWAY:
            break
        # If the server could not prove that it knows the password, it is not sent the password.
        distrusted = distrusted or (fault is not None and method not in SHOWS_PASSWORD)
    raise problem


SHOWS_PASSWORD = frozenset({b"PLAIN", b"LOGIN"})
BEARER = frozenset({b"OAUTHBEARER", b"XOAUTH2"})


def mechanisms_of(channel: Channel[smtp.Client]) -> list[bytes]:
    """Return the SASL mechanisms that the server announced."""
    return [name.upper() for name in channel.machine.capabilities.get(b"AUTH", ())]


def allowed_methods(
    channel: Channel[smtp.Client], held: sasl.Credentials, *, may_show: bool
) -> list[bytes]:
    """Return the mechanisms to try, the best first."""
    found = sasl.choose(mechanisms_of(channel), held, protected=may_show or channel.tls)
    # A token that one mechanism refuses would be refused by the other too.
    return found if held.token is None else found[:1]


def why_no_method(channel: Channel[smtp.Client], held: sasl.Credentials) -> str:
    """Return why no login method is possible."""
    if allowed_methods(channel, held, may_show=True):
        return "the listener offers no TLS, and the password is not sent without it"
    if held.token is None and BEARER & {*mechanisms_of(channel)}:
        return 'the listener takes no passwords, but OAuth: write "esmtpauth oauth"'
    return "the listener offers no usable login method (AUTH)"


def is_local(channel: Channel[smtp.Client], address: Address) -> bool:
    """Whether an open connection stays on this host: a UNIX socket, a pipe or loopback."""
    if not isinstance(address, Tcp):
        return True
    if address.proxy is not None:
        return False
    from ipaddress import ip_address

    try:
        found = ip_address(channel.address.partition("%")[0] or address.host)
    except ValueError:
        return not channel.address and address.host.lower() == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


async def ask(channel: Channel[smtp.Client], command: smtp.Command, timeout: float) -> smtp.Reply:
    """Send a command; return the reply to it."""
    channel.machine.send(command)
    match await decision(channel, timeout):
        case smtp.Answered(_, reply):
            return reply
        case _:
            raise AssertionError("an event that is not the reply to the command")


async def decision(channel: Channel[smtp.Client], timeout: float) -> Decision:
    """Wait for the event that answers the last command, or for the greeting."""
    while True:
        match await next_event(channel, timeout):
            case smtp.SaidGoodbye(reply):
                raise RefusedByServer(reply)
            case smtp.Closed():
                raise ConnectionLost("connection closed before the reply")
            case event:
                return event


async def answer_to_auth(
    channel: Channel[smtp.Client], timeout: float
) -> smtp.Answered | smtp.Challenge:
    """Wait for the reply to AUTH, or for a challenge."""
    match await decision(channel, timeout):
        case smtp.Answered() | smtp.Challenge() as answer:
            return answer
        case _:
            raise AssertionError("an event that is not the reply to AUTH")


def reply_text(reply: smtp.Reply) -> str:
    """Return a reply as one line of text."""
    text = b" ".join(line.strip() for line in reply.lines)
    return f"{reply.code} {excerpt(text)}".strip()


def excerpt(text: bytes) -> str:
    """Return a server's text decoded as UTF-8, truncated to 300 octets."""
    return text[:300].decode("utf-8", "replace")
