"""Open a POP3 session: connection, greeting, TLS and login, in this order.

``login_methods`` decides whether the password may be sent: only if the user's rules for TLS allow
it.
"""

from __future__ import annotations

import re

from ... import pop3
from ...flows.channel import Channel, next_event
from ...flows.outcome import ExitCode, PollFailed, ServerRefused
from ...flows.requests import Open, Pipe, TimedOut, UpgradeToTls
from ...protocols.errors import ConnectionLost, LocalProtocolError
from ...protocols.record import replace
from ...protocols.secret import Secret
from .access import COMMAND, Access, TlsMode, excerpt, offer_of_oauth

APOP = b"APOP"
"""The entry in a list of mechanisms for APOP, which is a command and not a SASL mechanism."""

_BUSY = rb"(?i)lock|wait|\[IN-USE\]|\[LOGIN-DELAY\]"
_OUT_OF_SERVICE = rb"(?is)service.*unavailable"
_ONE_USER = {pop3.ResponseCode.IN_USE, pop3.ResponseCode.LOGIN_DELAY}
_BUSY_CODES = {*_ONE_USER, pop3.ResponseCode.SYS_TEMP}
CAPA, STLS, PIPELINING, RESP_CODES = b"CAPA", b"STLS", b"PIPELINING", b"RESP-CODES"
EARLY_CAPA = b"CAPA before the login"
TOGETHER = frozenset({PIPELINING, b"USER", RESP_CODES})
"""What a server announces that gets USER and PASS in one write.

Without USER it may refuse them (RFC 2449, 6.3), and the password must not be on the wire then. A
proxy announces what its administrator wrote: the example in nginx's documentation has PIPELINING,
although nginx before 1.21 drops what follows a command. It does not have RESP-CODES.
"""
LISTING = frozenset({b"TOP", b"UIDL"})
"""What nearly every server announces."""


class PassDropped(TimedOut):
    """The server answered USER, but not PASS in the same write."""


class Avoided:
    """The non-essential commands at which this server closes the connection.

    Some servers close the connection after an unknown command. Each such command is left out
    at the next connection, as in fetchmail after a refused CAPA.
    """

    def __init__(self) -> None:
        self.names: set[bytes] = set()
        self.last: bytes | None = None
        """The command refused last, if no other command has succeeded since."""

    def avoid_last(self) -> bool:
        """Add the command refused last; return whether it is new. Call it after a hang-up."""
        last, self.last = self.last, None
        if last is None or last in self.names:
            return False
        self.names.add(last)
        return True


async def greet(
    channel: Channel[pop3.Client],
    access: Access,
    avoided: Avoided | None = None,
    *,
    apop: bool = False,
) -> bytes:
    """Open the connection, start TLS and log in, so that messages can be listed.

    Return the text of the greeting. With ``apop`` only APOP is used, which does not send the
    password (``protocol apop``). Raises PollFailed if the server refuses, and the errors of the
    machine and the runtime; ``avoided.avoid_last()`` then returns whether to try again.
    """
    avoided = avoided or Avoided()
    if access.tokens is not None and access.password is None:
        # Before the connection: the issuer may be slow.
        access = await access.with_password()
    await Open(channel, access.address, access.timeout)
    if access.tls is TlsMode.WRAPPED:
        await UpgradeToTls(channel, access.trust, access.timeout)
    while not isinstance(
        greeting := await next_event(channel, access.timeout), pop3.Greeted | pop3.TurnedAway
    ):
        pass
    if isinstance(greeting, pop3.TurnedAway):
        raise turned_away(access, greeting)
    await secure(channel, access, avoided)
    await log_in(channel, access, avoided, apop=apop)
    if may_differ_after_login(channel):
        await ask_capabilities(channel, access, avoided)
    return greeting.text


def may_differ_after_login(channel: Channel[pop3.Client]) -> bool:
    """Whether the capabilities known before the login may not be those after it.

    They may depend on the user (RFC 2449, 6.5 and 6.7). They may also be those of a proxy, which
    does not know those of the server that it will connect to: then PIPELINING may be wrong, or most
    of the list missing.
    """
    known = channel.machine.capabilities
    words = (*known.get(b"EXPIRE", ()), *known.get(b"LOGIN-DELAY", ()))
    by_user = b"USER" in {word.upper() for word in words}
    return (
        by_user or not known.keys() >= LISTING or (PIPELINING in known and RESP_CODES not in known)
    )


async def ask_capabilities(channel: Channel[pop3.Client], access: Access, avoided: Avoided) -> None:
    """Send CAPA, unless the server closes the connection at it."""
    if CAPA not in avoided.names:
        reply = await ask(channel, pop3.Capa(), access)
        avoided.last = None if reply.positive else CAPA


async def ask(
    channel: Channel[pop3.Client], command: pop3.Command, access: Access
) -> pop3.Completed:
    """Send a command other than STLS; return its completion."""
    channel.machine.send(command)
    return await completion(channel, access)


async def completion(channel: Channel[pop3.Client], access: Access) -> pop3.Completed:
    """Wait for the completion of the oldest command; return it."""
    while not isinstance(event := await next_event(channel, access.timeout), pop3.Completed):
        pass
    return event


async def decision(
    channel: Channel[pop3.Client], access: Access
) -> pop3.Completed | pop3.Challenge:
    """Wait for the completion of AUTH, or for a challenge."""
    while not isinstance(
        event := await next_event(channel, access.timeout), pop3.Completed | pop3.Challenge
    ):
        pass
    return event


def refused(access: Access, reply: pop3.Completed, what: str, advice: str = "") -> PollFailed:
    """Return the error for a refused login, with the exit codes that fetchmail uses."""
    from .throttled import is_throttled

    sentence = f"{access.peer}: the server {what}: {excerpt(reply.text)}{advice}"
    if reply.code in {pop3.ResponseCode.AUTH, pop3.ResponseCode.SYS_PERM}:
        # The code is more precise than the text: "locked" may mean a disabled account.
        return PollFailed(ExitCode.AUTHFAIL, sentence)
    if reply.code is pop3.ResponseCode.SYS_TEMP:
        return ServerRefused(ExitCode.LOCKBUSY, sentence)
    if reply.code in _ONE_USER or re.search(_BUSY, reply.text):
        return PollFailed(ExitCode.LOCKBUSY, sentence)
    if re.search(_OUT_OF_SERVICE, reply.text) or is_throttled(reply.text):
        return ServerRefused(ExitCode.SERVBUSY, sentence)
    return PollFailed(ExitCode.AUTHFAIL, sentence)


def turned_away(access: Access, greeting: pop3.TurnedAway) -> PollFailed:
    """Return the error for a refusing greeting; the password is not the reason at this point."""
    reply = pop3.Completed(pop3.Capa(), False, greeting.text, greeting.code)
    failure = refused(access, reply, "refuses the connection")
    if failure.code is ExitCode.AUTHFAIL and greeting.code is not pop3.ResponseCode.AUTH:
        return ServerRefused(ExitCode.SOCKET, str(failure))
    return failure


async def secure(channel: Channel[pop3.Client], access: Access, avoided: Avoided) -> None:
    """Start TLS as the user's rules require."""
    if channel.tls or access.tls is TlsMode.NEVER:
        return
    await ask_capabilities(channel, access, avoided)
    offered = STLS in channel.machine.capabilities and STLS not in avoided.names
    if access.tls is TlsMode.OFFERED and not offered:
        return
    if not offered and isinstance(access.address, Pipe) and needs_no_tls(access):
        return
    channel.machine.send(pop3.StartTls())
    while not isinstance(
        granted := await next_event(channel, access.timeout), pop3.TlsReady | pop3.Completed
    ):
        pass
    if isinstance(granted, pop3.TlsReady):
        await UpgradeToTls(channel, access.trust, access.timeout)
        channel.machine.tls_started()
    elif access.tls is not TlsMode.OFFERED:
        raise PollFailed(
            ExitCode.SOCKET,
            f"{access.peer}: the server refuses STLS ({excerpt(granted.text)}), which your "
            'configuration requires; use "ssl", or "sslproto \'\'" to go without TLS',
        )
    else:
        avoided.last = STLS


def needs_no_tls(access: Access) -> bool:
    """Whether the pipe itself is the secure channel: no password is sent over it."""
    return access.preauth and not access.tls_asked


async def log_in(
    channel: Channel[pop3.Client], access: Access, avoided: Avoided, *, apop: bool
) -> None:
    """Log in. Raises PollFailed (AUTHFAIL, LOCKBUSY, SERVBUSY, PROTOCOL)."""
    if access.preauth:
        # As in fetchmail, STAT follows at once: the user states that ssh has logged in.
        channel.machine.assume_authenticated()
        return
    if access.password is None and access.auth != "external":
        raise PollFailed(
            ExitCode.AUTHFAIL, f"can't find a password for {access.user}@{access.peer}."
        )
    advice = ""
    methods = [APOP] if apop else await login_methods(channel, access, avoided)
    if access.tokens is None:
        reply = await try_methods(channel, access, avoided, methods)
    else:
        from .tokens import log_in_with_token

        reply, advice = await log_in_with_token(
            *(access.tokens, access.password),
            lambda token: try_methods(channel, replace(access, password=token), avoided, methods),
            refusal=lambda reply: reply.text if is_about_token(access, reply) else None,
            accepted=lambda reply: reply.positive,
        )
    if not reply.positive:
        advice = advice or offer_of_oauth(mechanisms_of(channel), access.auth)
        raise refused(access, reply, f"refuses the login of {access.user}", advice)


def is_about_token(access: Access, reply: pop3.Completed) -> bool:
    """Whether a login was refused because of the token."""
    return not reply.positive and refused(access, reply, "").code is ExitCode.AUTHFAIL


async def try_methods(
    channel: Channel[pop3.Client], access: Access, avoided: Avoided, methods: list[bytes]
) -> pop3.Completed:
    """Try these login methods in turn; return the last decision. Raises PollFailed."""
    reply = pop3.Completed(pop3.Capa(), False)
    for method in [name for name in methods if name not in avoided.names] or methods:
        reply = await try_method(channel, access, method, avoided)
        if reply.positive:
            avoided.last = None
            break
        if reply.code in _BUSY_CODES:
            break
        # A server may hang up at a mechanism that it announces; [AUTH] means a wrong password.
        avoided.last = None if reply.code is pop3.ResponseCode.AUTH else method
    return reply


async def login_methods(
    channel: Channel[pop3.Client], access: Access, avoided: Avoided
) -> list[bytes]:
    """Return the login methods to try. Raises PollFailed if there is none."""
    if not access.may_show_password and not channel.tls:
        raise PollFailed(
            ExitCode.SOCKET, f"{access.peer}: no TLS, and the password is not sent without it"
        )
    certificate = access.trust.certificate is not None
    in_tls = channel.tls and access.auth == "any" and not certificate
    by_command = access.auth == "password" or in_tls
    if not channel.machine.capabilities and not (by_command and EARLY_CAPA in avoided.names):
        # Asked before the login, so that USER and PASS can be pipelined; they need no list if the
        # connection breaks here.
        avoided.last = avoided.last or (EARLY_CAPA if by_command else None)
        await ask_capabilities(channel, access, avoided)
    if by_command:
        return [COMMAND]
    from .mechanisms import allowed_methods  # most polls need no more than USER and PASS

    found = allowed_methods(
        mechanisms_of(channel),
        access.credentials,
        access.auth,
        protected=channel.tls,
        in_clear=access.may_show_password,
        command=True,
    )
    if not found:
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f'{access.peer}: the server offers no login method for "auth {access.auth}"',
        )
    return found


async def try_method(
    channel: Channel[pop3.Client], access: Access, method: bytes, avoided: Avoided
) -> pop3.Completed:
    """Try one login method; return the server's decision. Raises PollFailed."""
    user = access.user.encode("utf-8", "surrogateescape")
    if access.password is not None and method == COMMAND:
        command = pop3.User(user)
        known = channel.machine.capabilities.keys()
        if known >= TOGETHER and PIPELINING not in avoided.names:
            return await log_in_at_once(channel, command, access, access.password, avoided)
        named = await ask(channel, command, access)
        if not named.positive:
            return named
        # The server has not hung up at an earlier command.
        avoided.last = None
        return await ask(channel, pop3.Pass(access.password), access)
    if access.password is not None and method == APOP:
        return await log_in_by_apop(channel, pop3.Apop(user, access.password), access)
    return await exchange(channel, access, method)


async def log_in_at_once(
    channel: Channel[pop3.Client],
    user: pop3.User,
    access: Access,
    password: Secret,
    avoided: Avoided,
) -> pop3.Completed:
    """Log in by USER and PASS in one write (RFC 2449, 6.6); return the server's decision.

    Raises PassDropped. If the server hangs up without any reply, or drops PASS, it gets the
    password alone on another connection. After a reply to USER, a hang-up in place of the reply to
    PASS may mean a wrong password, which must not be sent twice.
    """
    channel.machine.send(user)
    channel.machine.send(pop3.Pass(password))
    avoided.last = PIPELINING
    named = await completion(channel, access)
    avoided.last = None
    try:
        granted = await completion(channel, access)
    except (ConnectionLost, TimedOut) as error:
        if not named.positive:
            # Some servers hang up after they have refused USER.
            return named
        if not isinstance(error, TimedOut):
            raise
        avoided.last = PIPELINING
        raise PassDropped(error.seconds) from None
    return granted if granted.positive or named.positive else named


async def log_in_by_apop(
    channel: Channel[pop3.Client], command: pop3.Apop, access: Access
) -> pop3.Completed:
    """Log in by APOP. Raises PollFailed (AUTHFAIL) if the server does not support it."""
    try:
        reply = await ask(channel, command, access)
    except LocalProtocolError as error:
        if channel.machine.timestamp:
            # The server closed the connection after its greeting; the password is not the reason.
            raise
        raise PollFailed(
            ExitCode.AUTHFAIL, f"{access.peer}: no login by APOP is possible: {error}"
        ) from None
    return reply


async def exchange(channel: Channel[pop3.Client], access: Access, method: bytes) -> pop3.Completed:
    """Log in by SASL. Raises PollFailed (AUTHFAIL) if the server's side of it is not valid."""
    from ...flows.authenticate import authenticate
    from ...protocols.sasl.errors import SaslError
    from .mechanisms import mechanism_for

    mechanism = mechanism_for(method, access.credentials, mechanisms_of(channel), access.peer)
    # Microsoft: AUTH XOAUTH2 alone, and the token after the challenge.
    at_once = access.tokens is None or not access.tokens.pop3_in_two_lines
    reply, fault = await authenticate(
        channel, mechanism, lambda: decision(channel, access), at_once=at_once
    )
    try:
        if reply.positive:
            mechanism.finish()
    except SaslError as error:
        fault = error
    if fault:
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"{access.peer}: {method.decode('ascii')} with this server failed: {fault.problem}",
        )
    if access.credentials.token is not None and not reply.positive:
        from .tokens import details_of

        reply = replace(reply, text=reply.text + details_of(mechanism))
    return reply


def mechanisms_of(channel: Channel[pop3.Client]) -> list[bytes]:
    """Return the SASL mechanisms among the capabilities."""
    return [name.upper() for name in channel.machine.capabilities.get(b"SASL", ())]
