"""From a host name to a logged-in IMAP session: greeting, TLS, login, in that order.

``login_methods`` is the one gate for the password: it is sent only where the user's rules about
TLS allow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import __version__
from ...flows.channel import Channel, next_event
from ...flows.outcome import ExitCode, PollFailed
from ...flows.pace import Pace
from ...flows.requests import Close, Open, Pipe, RuntimeFault, UpgradeToTls
from ...protocols.errors import ProtocolError, RemoteProtocolError
from ...protocols.greetings import is_busy, turns_away
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import Capability, Command, Id, Login, Logout, StartTls
from ...protocols.imap.events import Completed, Condition, Greeted, SaidBye, TlsReady
from ...protocols.sasl.exchange import Challenge
from .access import COMMAND, Access, TlsMode, shown

NOT_NOW = {
    b"UNAVAILABLE": ExitCode.SERVBUSY,
    b"INUSE": ExitCode.LOCKBUSY,
    b"LIMIT": ExitCode.SERVBUSY,
}
"""Codes of a refused login that say nothing against the password (RFC 5530, section 3)."""
SHOW_PASSWORD = {COMMAND, b"PLAIN", b"LOGIN"}
"""Ways in which the server learns the password."""
NO_REASONS = {b"", b"ALERT", b"THROTTLED"}
"""Codes, or none, that leave it to the words why a login is refused."""
GOODBYE = 10.0
"""Seconds to wait for the answer to LOGOUT: by then all that matters is done."""


async def greet(channel: Channel[ImapClient], access: Access) -> None:
    """Open the connection and bring it to the point where a mailbox can be selected.

    Raises PollFailed for what the server refuses, and what the machine and runtime raise.
    """
    await Open(channel, access.address, access.timeout)
    if access.tls is TlsMode.WRAPPED:
        await UpgradeToTls(channel, access.trust, access.timeout)
    greeting = await hear_greeting(channel, access)
    if not channel.machine.capabilities:
        await ask(channel, Capability(), access)
    if greeting.preauthenticated:
        accept_preauth(channel, access)
        return
    await secure(channel, access)
    await log_in(channel, access)


def identify() -> Id:
    """Return the command that says who we are (RFC 2971)."""
    return Id(((b"name", b"mailhaul"), (b"version", __version__.encode("ascii"))))


async def log_out(channel: Channel[ImapClient]) -> None:
    """Say good-bye, if there is still somebody to say it to, and close the connection."""
    if not channel.open:
        return
    try:
        if not channel.machine.outstanding and channel.machine.state != "error":
            channel.machine.send(Logout())
            channel.pace = Pace(channel.machine, GOODBYE)
            while not isinstance(await next_event(channel, GOODBYE), Completed):
                pass
    except (ProtocolError, RuntimeFault):
        # All that mattered was confirmed before; how the server hangs up is its affair.
        pass
    await Close(channel)


async def hear_greeting(channel: Channel[ImapClient], access: Access) -> Greeted:
    """Wait for the server's first words."""
    while True:
        try:
            event = await next_event(channel, access.timeout)
        except RemoteProtocolError as fault:
            if fault.state != "greeting" or not turns_away(fault.line):
                raise
            raise turned_away(access, fault.line, ExitCode.SERVBUSY) from None
        match event:
            case Greeted() as greeting:
                return greeting
            case SaidBye() as bye:
                raise turned_away(access, bye.text, code_of_bye(bye))
            case _:
                pass


def code_of_bye(bye: SaidBye) -> ExitCode:
    """Return whether a server that closes is busy, or who knows what."""
    later = NOT_NOW.get(bye.code.name) if bye.code else None
    return later or (ExitCode.SERVBUSY if is_busy(bye.text) else ExitCode.SOCKET)


def turned_away(access: Access, text: bytes, code: ExitCode) -> PollFailed:
    """Return what a server that does not greet us is taken to say."""
    return PollFailed(code, f"{access.peer}: the server turned us away: {shown(text)}")


async def ask(channel: Channel[ImapClient], command: Command, access: Access) -> Any:
    """Send a command; return the event that ends it (Completed or TlsReady)."""
    channel.machine.send(command)
    return await decision(channel, access)


async def decision(channel: Channel[ImapClient], access: Access) -> Any:
    """Wait for the event that ends a command, or for a challenge in the midst of one."""
    while True:
        match await next_event(channel, access.timeout):
            case Completed() | TlsReady() | Challenge() as end:
                return end
            case SaidBye() as bye:
                words = f"{access.peer}: the server said good-bye: {shown(bye.text)}"
                raise PollFailed(code_of_bye(bye), words)
            case _:
                pass


def accept_preauth(channel: Channel[ImapClient], access: Access) -> None:
    """Go on without a login where that cannot be a trick to avoid TLS (CVE-2021-39272).

    STARTTLS is not possible any more. Over a plugin's pipe the command's own channel is
    the security; elsewhere, or where the user demands TLS by name, this ends the poll.
    """
    if channel.tls or access.tls in {TlsMode.NEVER, TlsMode.OFFERED}:
        return
    if isinstance(access.address, Pipe) and not access.tls_asked:
        return
    raise PollFailed(
        ExitCode.SOCKET,
        f"{access.peer}: the server logs us in (PREAUTH) before TLS could be started, which your "
        f"configuration requires; {access.hint} if the connection is safe by other means",
    )


async def secure(channel: Channel[ImapClient], access: Access) -> None:
    """Start TLS as the user's rules say, and ask again what the server can do inside it."""
    offered = b"STARTTLS" in channel.machine.capabilities
    if channel.tls or access.tls is TlsMode.NEVER:
        return
    if access.tls is TlsMode.OFFERED and not offered:
        return
    if not offered and isinstance(access.address, Pipe) and needs_no_tls(access):
        return
    granted = await ask(channel, StartTls(), access)
    if not isinstance(granted, TlsReady):
        if access.tls is TlsMode.OFFERED:
            return
        raise PollFailed(
            ExitCode.SOCKET,
            f"{access.peer}: the server refuses STARTTLS ({shown(granted.text)}), which your "
            f"configuration requires; {access.hint} to go without TLS",
        )
    await UpgradeToTls(channel, access.trust, access.timeout)
    channel.machine.tls_started()
    await ask(channel, Capability(), access)


def needs_no_tls(access: Access) -> bool:
    """Tell whether the pipe is the secure channel: no password will be sent over it."""
    return access.preauth and not access.tls_asked


async def log_in(channel: Channel[ImapClient], access: Access) -> None:
    """Log in with the password. Raises PollFailed (AUTHFAIL)."""
    if access.preauth:
        # fetchmail goes straight to SELECT: the user vouches that ssh has logged us in.
        channel.machine.assume_authenticated()
        return
    if access.password is None and access.auth != "external":
        raise PollFailed(
            ExitCode.AUTHFAIL, f"can't find a password for {access.user}@{access.peer}."
        )
    done = await find_method(channel, access)
    if done.condition is not Condition.OK:
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"Authorization failure on {access.user}@{access.peer}: {shown(done.text)}",
        )
    if not channel.machine.capabilities:
        await ask(channel, Capability(), access)


async def find_method(channel: Channel[ImapClient], access: Access) -> Completed:
    """Try the ways to log in; return the last decision. Raises PollFailed.

    A server that does not understand one way (BAD) has said nothing against the password, so that
    all other ways are tried. But one that could not prove to know it is not told it.
    """
    ways = login_methods(channel, access)
    tried: list[bytes] = []
    doubt = ""
    done: Completed | None = None
    for way in ways:
        if doubt and way in SHOW_PASSWORD:
            continue
        tried.append(way)
        done, fault = await try_method(channel, access, way)
        if done.condition is Condition.OK and not fault:
            return done
        if fault and way not in SHOW_PASSWORD:
            doubt = f"{way.decode('ascii')} with this server went wrong: {fault}"
        if done.condition is Condition.OK:
            break
        if code := not_now(done):
            problem = f"{access.peer}: the server does not let us in now: {shown(done.text)}"
            raise PollFailed(code, problem)
        if done.condition is Condition.BAD:
            ways += [way for way in methods_left(channel, access, tried) if way not in ways]
    if doubt or done is None:
        raise PollFailed(
            ExitCode.AUTHFAIL, f"{access.peer}: {doubt or 'there is no way to log in'}"
        )
    return done


def methods_left(
    channel: Channel[ImapClient], access: Access, tried: Sequence[bytes]
) -> Sequence[bytes]:
    """Return the mechanisms that have not been tried."""
    from .mechanisms import other_methods

    return other_methods(
        mechanisms_of(channel.machine.capabilities),
        access.credentials,
        access.auth,
        tried,
        protected=channel.tls,
        in_clear=access.may_show_password,
    )


def not_now(done: Completed) -> ExitCode | None:
    """Return the exit code of a refusal that says nothing against the password, None for others."""
    name = done.code.name if done.code else b""
    if name not in NO_REASONS:
        return NOT_NOW.get(name)
    from .throttled import is_throttled

    return ExitCode.SERVBUSY if is_throttled(done.text) else None


def login_methods(channel: Channel[ImapClient], access: Access) -> list[bytes]:
    """Return the ways to log in here. Raises PollFailed if there is none."""
    capabilities = channel.machine.capabilities
    disabled = b"LOGINDISABLED" in capabilities
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
        mechanisms_of(capabilities),
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
            sorted(way.decode("ascii", "replace") for way in mechanisms_of(capabilities))
        )
        wanted = f"it offers {offered or 'nothing else'}" if protected else "it may want TLS first"
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"{access.peer}: the server allows no plain login here (LOGINDISABLED); {wanted}",
        )
    raise PollFailed(
        ExitCode.AUTHFAIL,
        f'{access.peer}: the server offers no way to log in that fits "auth {access.auth}"',
    )


async def try_method(
    channel: Channel[ImapClient], access: Access, way: bytes
) -> tuple[Completed, str]:
    """Try to log in one way; return the server's decision, and what it did wrong."""
    if way == COMMAND and access.password is not None:
        user = access.user.encode("utf-8", "surrogateescape")
        return await ask(channel, Login(user, access.password), access), ""
    done, fault = await exchange(channel, access, way)
    if done.condition is Condition.BAD and not fault and takes_initial(channel):
        # It announces SASL-IR (RFC 4959), and may not mean it.
        done, fault = await exchange(channel, access, way, at_once=False)
    return done, fault


def takes_initial(channel: Channel[ImapClient]) -> bool:
    """Whether a response went along with AUTHENTICATE."""
    return bool({b"SASL-IR", b"IMAP4REV2"} & channel.machine.capabilities)


async def exchange(
    channel: Channel[ImapClient], access: Access, way: bytes, *, at_once: bool = True
) -> tuple[Completed, str]:
    """Log in by SASL; return the server's decision, and what it did wrong."""
    from ...flows.authenticate import authenticate
    from ...protocols.sasl.errors import SaslError, ScramRefused
    from .mechanisms import mechanism_for

    announced = mechanisms_of(channel.machine.capabilities)
    mechanism = mechanism_for(way, access.credentials, announced, access.peer)
    done, fault = await authenticate(
        channel, mechanism, lambda: decision(channel, access), at_once=at_once
    )
    try:
        if done.condition is Condition.OK:
            mechanism.finish()
    except SaslError as error:
        fault = error
    # A refusal in good order is none of the server's faults.
    return done, "" if fault is None or isinstance(fault, ScramRefused) else fault.problem


def mechanisms_of(capabilities: frozenset[bytes]) -> list[bytes]:
    """Return the SASL mechanisms among the capabilities."""
    return [name[5:] for name in capabilities if name.startswith(b"AUTH=")]
