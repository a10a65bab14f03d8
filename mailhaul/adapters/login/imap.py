"""Open an IMAP session: connection, greeting, TLS and login, in this order.

``login_methods`` decides whether the password may be sent: only if the user's rules for TLS allow
it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import __version__, imap
from ...flows.channel import Channel, next_event
from ...flows.outcome import ExitCode, PollFailed, ServerRefused
from ...flows.pace import Pace
from ...flows.requests import Close, Open, Pipe, RuntimeFault, UpgradeToTls
from ...protocols.errors import ProtocolError, RemoteProtocolError
from ...protocols.greetings import is_busy, turns_away
from ...protocols.record import replace
from .access import COMMAND, Access, TlsMode, excerpt, offer_of_oauth

NOT_NOW = {
    b"UNAVAILABLE": ExitCode.SERVBUSY,
    b"INUSE": ExitCode.LOCKBUSY,
    b"LIMIT": ExitCode.SERVBUSY,
    # Gmail's code for an account that is over its limits.
    b"OVERQUOTA": ExitCode.SERVBUSY,
}
"""Codes of a refused login for which the password is not the reason (RFC 5530, section 3)."""
SHOW_PASSWORD = {COMMAND, b"PLAIN", b"LOGIN"}
"""Methods that send the password to the server."""
NO_REASONS = {b"", b"ALERT", b"THROTTLED"}
"""Codes, and the missing code, that do not give the reason; then the text is checked."""
LOGOUT_SECONDS = 10.0
"""Seconds to wait for the reply to LOGOUT: nothing else depends on it."""


async def greet(channel: Channel[imap.Client], access: Access) -> None:
    """Open the connection, start TLS and log in, so that a mailbox can be selected.

    Raises PollFailed if the server refuses, and the errors of the machine and the runtime.
    """
    if access.tokens is not None and access.password is None:
        # Before the connection: the issuer may be slow. At each one: it may be days after the last.
        access = await access.with_password()
    await Open(channel, access.address, access.timeout)
    if access.tls is TlsMode.WRAPPED:
        await UpgradeToTls(channel, access.trust, access.timeout)
    greeting = await hear_greeting(channel, access)
    if not channel.machine.capabilities:
        await ask(channel, imap.Capability(), access)
    if greeting.preauthenticated:
        accept_preauth(channel, access)
        return
    await secure(channel, access)
    await log_in(channel, access)


def identify() -> imap.Id:
    """Return the ID command with name and version of this program (RFC 2971)."""
    return imap.Id(((b"name", b"mailhaul"), (b"version", __version__.encode("ascii"))))


async def log_out(channel: Channel[imap.Client]) -> None:
    """Log out if the connection is still usable, and close it after the reply (RFC 3501, 3.4)."""
    if not channel.open:
        return
    try:
        if not (channel.machine.outstanding or channel.machine.failed):
            channel.machine.send(imap.Logout())
            await hear_logout(channel)
    except (ProtocolError, RuntimeFault):
        pass
    await Close(channel)


async def hear_logout(channel: Channel[imap.Client]) -> None:
    """Wait for the reply to LOGOUT, but not for long: nothing depends on it."""
    channel.pace = Pace(channel.machine, LOGOUT_SECONDS)
    while not isinstance(await next_event(channel, LOGOUT_SECONDS), imap.Completed):
        pass


async def hear_greeting(channel: Channel[imap.Client], access: Access) -> imap.Greeted:
    """Wait for the server's greeting."""
    while True:
        try:
            event = await next_event(channel, access.timeout)
        except RemoteProtocolError as fault:
            if fault.state != channel.machine.GREETING or not turns_away(fault.line):
                raise
            raise turned_away(access, fault.line, ExitCode.SERVBUSY) from None
        match event:
            case imap.Greeted() as greeting:
                return greeting
            case imap.SaidBye() as bye:
                raise turned_away(access, bye.text, code_of_bye(bye))
            case _:
                pass


def code_of_bye(bye: imap.SaidBye) -> ExitCode:
    """Return the exit code for a BYE: SERVBUSY or LOCKBUSY if it says so, otherwise SOCKET."""
    later = NOT_NOW.get(bye.code.name) if bye.code else None
    return later or (ExitCode.SERVBUSY if is_busy(bye.text) else ExitCode.SOCKET)


def turned_away(access: Access, text: bytes, code: ExitCode) -> PollFailed:
    """Return the error for a server that refuses the connection in its greeting."""
    return refusal(code, f"{access.peer}: the server refuses the connection: {excerpt(text)}")


def refusal(code: ExitCode, problem: str) -> PollFailed:
    """Return the error for a refusal whose reason is not the password."""
    # A locked mailbox concerns one user only.
    return (PollFailed if code is ExitCode.LOCKBUSY else ServerRefused)(code, problem)


async def ask(
    channel: Channel[imap.Client], command: imap.Command, access: Access
) -> imap.Completed:
    """Send a command other than STARTTLS; return its completion."""
    channel.machine.send(command)
    while not isinstance(event := await hear(channel, access), imap.Completed):
        pass
    return event


async def decision(
    channel: Channel[imap.Client], access: Access
) -> imap.Completed | imap.Challenge:
    """Wait for the completion of AUTHENTICATE, or for a challenge."""
    while not isinstance(event := await hear(channel, access), imap.Completed | imap.Challenge):
        pass
    return event


async def hear(channel: Channel[imap.Client], access: Access) -> imap.Event:
    """Return the next event. Raises PollFailed if the server sends BYE."""
    event = await next_event(channel, access.timeout)
    if isinstance(event, imap.SaidBye):
        problem = f"{access.peer}: the server sent BYE: {excerpt(event.text)}"
        raise refusal(code_of_bye(event), problem)
    return event


def accept_preauth(channel: Channel[imap.Client], access: Access) -> None:
    """Continue without a login if PREAUTH cannot be an attack to avoid TLS (CVE-2021-39272).

    STARTTLS is not possible after PREAUTH. Over a plugin's pipe the plugin provides the security;
    otherwise, or if the user has asked for TLS, the poll ends.
    """
    if channel.tls or access.tls in {TlsMode.NEVER, TlsMode.OFFERED}:
        return
    if isinstance(access.address, Pipe) and not access.tls_asked:
        return
    raise PollFailed(
        ExitCode.SOCKET,
        f"{access.peer}: the server needs no login (PREAUTH), so TLS cannot be started, which your "
        f"configuration requires; {access.hint} if the connection is secured by other means",
    )


async def secure(channel: Channel[imap.Client], access: Access) -> None:
    """Start TLS as the user's rules require, and request the capabilities again inside TLS."""
    offered = b"STARTTLS" in channel.machine.capabilities
    if channel.tls or access.tls is TlsMode.NEVER:
        return
    if access.tls is TlsMode.OFFERED and not offered:
        return
    if not offered and isinstance(access.address, Pipe) and needs_no_tls(access):
        return
    channel.machine.send(imap.StartTls())
    while not isinstance(granted := await hear(channel, access), imap.TlsReady | imap.Completed):
        pass
    if isinstance(granted, imap.Completed):
        if access.tls is TlsMode.OFFERED:
            return
        raise PollFailed(
            ExitCode.SOCKET,
            f"{access.peer}: the server refuses STARTTLS ({excerpt(granted.text)}), which your "
            f"configuration requires; {access.hint} to go without TLS",
        )
    await UpgradeToTls(channel, access.trust, access.timeout)
    channel.machine.tls_started()
    await ask(channel, imap.Capability(), access)


def needs_no_tls(access: Access) -> bool:
    """Whether the pipe itself is the secure channel: no password is sent over it."""
    return access.preauth and not access.tls_asked


async def log_in(channel: Channel[imap.Client], access: Access) -> None:
    """Log in with the password. Raises PollFailed (AUTHFAIL)."""
    if access.preauth:
        # As in fetchmail, SELECT follows at once: the user states that ssh has logged in.
        channel.machine.assume_authenticated()
        return
    if access.password is None and access.auth != "external":
        raise PollFailed(
            ExitCode.AUTHFAIL, f"can't find a password for {access.user}@{access.peer}."
        )
    advice = ""
    if access.tokens is None:
        done = await find_method(channel, access)
    else:
        from .tokens import log_in_with_token

        done, advice = await log_in_with_token(
            *(access.tokens, access.password),
            lambda token: find_method(channel, replace(access, password=token)),
            refusal=lambda done: done.text if done.condition is imap.Condition.NO else None,
            accepted=lambda done: done.condition is imap.Condition.OK,
        )
    if done.condition is not imap.Condition.OK:
        advice = advice or offer_of_oauth(mechanisms_of(channel), access.auth)
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"Authorization failure on {access.user}@{access.peer}: {excerpt(done.text)}{advice}",
        )
    if not channel.machine.capabilities:
        await ask(channel, imap.Capability(), access)


async def find_method(channel: Channel[imap.Client], access: Access) -> imap.Completed:
    """Try the login methods; return the last decision. Raises PollFailed.

    If the server does not support a method (BAD), the password may still be right, so the other
    methods are tried. If it could not prove that it knows the password, it is not sent the
    password.
    """
    methods = login_methods(channel, access)
    tried: list[bytes] = []
    failure = ""
    done: imap.Completed | None = None
    for method in methods:
        if failure and method in SHOW_PASSWORD:
            continue
        tried.append(method)
        done, fault = await try_method(channel, access, method)
        if done.condition is imap.Condition.OK and not fault:
            return done
        if fault and method not in SHOW_PASSWORD:
            failure = f"{method.decode('ascii')} with this server failed: {fault}"
        if done.condition is imap.Condition.OK:
            break
        if code := not_now(done):
            problem = f"{access.peer}: the server refuses the login now: {excerpt(done.text)}"
            raise refusal(code, problem)
        if done.condition is imap.Condition.BAD:
            left = methods_left(channel, access, tried)
            methods += [method for method in left if method not in methods]
    if failure or done is None:
        raise PollFailed(
            ExitCode.AUTHFAIL, f"{access.peer}: {failure or 'no login method is possible'}"
        )
    return done


def methods_left(
    channel: Channel[imap.Client], access: Access, tried: Sequence[bytes]
) -> Sequence[bytes]:
    """Return the mechanisms that have not been tried."""
    from .mechanisms import other_methods

    return other_methods(
        mechanisms_of(channel),
        access.credentials,
        access.auth,
        tried,
        protected=channel.tls,
        in_clear=access.may_show_password,
    )


def not_now(done: imap.Completed) -> ExitCode | None:
    """Return the exit code if a refusal has another reason than the password, otherwise None."""
    name = done.code.name if done.code else b""
    if name not in NO_REASONS:
        return NOT_NOW.get(name)
    from .throttled import is_throttled

    return ExitCode.SERVBUSY if is_throttled(done.text) else None


def login_methods(channel: Channel[imap.Client], access: Access) -> list[bytes]:
    """Return the login methods to try. Raises PollFailed if there is none."""
    disabled = b"LOGINDISABLED" in channel.machine.capabilities
    protected = channel.tls
    certificate = access.trust.certificate is not None
    if not access.may_show_password and not protected:
        raise PollFailed(
            ExitCode.SOCKET, f"{access.peer}: no TLS, and the password is not sent without it"
        )
    if protected and not disabled and access.auth in {"any", "password"} and not certificate:
        return [COMMAND]
    from .mechanisms import allowed_methods  # most polls need no more than LOGIN

    found = allowed_methods(
        mechanisms_of(channel),
        access.credentials,
        access.auth,
        protected=protected,
        in_clear=access.may_show_password,
        command=not disabled,
    )
    if found:
        return found
    if disabled:
        offered = ", ".join(
            sorted(name.decode("ascii", "replace") for name in mechanisms_of(channel))
        )
        wanted = f"it offers {offered or 'nothing else'}" if protected else "it may require TLS"
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"{access.peer}: the server allows no plain login here (LOGINDISABLED); {wanted}"
            f"{offer_of_oauth(mechanisms_of(channel), access.auth)}",
        )
    raise PollFailed(
        ExitCode.AUTHFAIL,
        f'{access.peer}: the server offers no login method for "auth {access.auth}"'
        f"{offer_of_oauth(mechanisms_of(channel), access.auth)}",
    )


async def try_method(
    channel: Channel[imap.Client], access: Access, method: bytes
) -> tuple[imap.Completed, str]:
    """Try one login method; return the server's decision, and its protocol error or ""."""
    if method == COMMAND and access.password is not None:
        user = access.user.encode("utf-8", "surrogateescape")
        return await ask(channel, imap.Login(user, access.password), access), ""
    done, fault = await exchange(channel, access, method)
    if done.condition is imap.Condition.BAD and not fault and takes_initial(channel):
        # Some servers announce SASL-IR (RFC 4959) but do not support it.
        done, fault = await exchange(channel, access, method, at_once=False)
    return done, fault


def takes_initial(channel: Channel[imap.Client]) -> bool:
    """Whether the initial response is sent along with AUTHENTICATE."""
    return bool({b"SASL-IR", b"IMAP4REV2"} & channel.machine.capabilities.keys())


async def exchange(
    channel: Channel[imap.Client], access: Access, method: bytes, *, at_once: bool = True
) -> tuple[imap.Completed, str]:
    """Log in by SASL; return the server's decision, and its protocol error or ""."""
    from ...flows.authenticate import authenticate
    from ...protocols.sasl.errors import SaslError, ScramRefused
    from .mechanisms import mechanism_for

    announced = mechanisms_of(channel)
    mechanism = mechanism_for(method, access.credentials, announced, access.peer)
    done, fault = await authenticate(
        channel, mechanism, lambda: decision(channel, access), at_once=at_once
    )
    try:
        if done.condition is imap.Condition.OK:
            mechanism.finish()
    except SaslError as error:
        fault = error
    if access.credentials.token is not None and done.condition is not imap.Condition.OK:
        from .tokens import details_of

        done = replace(done, text=done.text + details_of(mechanism))
    # A regular refusal is not an error of the server.
    return done, "" if fault is None or isinstance(fault, ScramRefused) else fault.problem


def mechanisms_of(channel: Channel[imap.Client]) -> list[bytes]:
    """Return the SASL mechanisms among the capabilities."""
    return [name.upper() for name in channel.machine.capabilities.get(b"AUTH", ())]
