"""What is wrong with settings that are well formed, and what this version cannot do yet.

Only accounts that are going to be polled are looked at. Options that would not change what
happens to mail pass without a word, even where nothing reads them yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from .errors import ConfigError, ConfigWarning, Finding, Place, quoted
from .options import OWN_PATHS
from .settings import AccountSettings, GlobalSettings

_REFUSED: Final = {
    "pop2": "no server speaks it any more",
    "rpop": "it trusts the client's port number",
    "kpop": "it needs Kerberos 4",
    "odmr": "ask the provider for IMAP, or use a mail server that speaks it",
}
"""Protocols that will never be spoken, and why."""

_UNSUPPORTED: Final[tuple[tuple[str, Callable[[AccountSettings], bool], str], ...]] = (
    ("forceidle", lambda a: a.forceidle, 'use "idle"; servers say whether they know it'),
    (
        "interface",
        lambda a: a.interface is not None,
        "start mailhaul from the script that brings the interface up",
    ),
    ("monitor", lambda a: a.monitor is not None, "start mailhaul from a timer instead"),
)
"""Option, whether an account uses it, and what to do instead. A row goes when the feature
comes; names are keywords too."""

_OWN_SINKS: Final = ("append", "mbox", "maildir")
_SINKS: Final = (*_OWN_SINKS, "bsmtp", "mda")
"""Where mail goes instead of to a listener. Of the last two, fetchmail knows which it prefers."""

_SSLPROTOS: Final = frozenset(
    {"", "auto", "ssl23", "ssl3", "ssl3+", "tls1", "tls1+", "tls1.1", "tls1.1+", "tls1.2",
     "tls1.2+", "tls1.3", "tls1.3+"}
)  # fmt: skip

_AUTHS: Final = frozenset(
    {"any", "password", "ssh", "cram-md5", "external", "oauthbearer", "xoauth2"}
)
SSL_MODES: Final = ("none", "wrapped", "starttls=may", "starttls=must")
_RETRIEVE_ERRORS: Final = ("continue", "abort", "markseen")
_POP3: Final = frozenset({"pop2", "pop3", "sdps", "apop", "rpop", "kpop"})

PATH_HINT: Final = 'write the whole path, or one that begins with "~/"'

F = TypeVar("F", bound=Finding)


def check(
    settings: GlobalSettings,
    accounts: Iterable[AccountSettings],
    *,
    to_poll: bool = True,
) -> tuple[list[ConfigError], list[ConfigWarning]]:
    """Return what stands against polling these accounts, and what looks wrong.

    Without ``to_poll`` only what no version could do counts.
    """
    errors: list[ConfigError] = []
    warnings: list[ConfigWarning] = []
    daemon = settings.daemon > 0
    for account in accounts:
        errors.extend(_contradictions(account))
        errors.extend(_unsupported(account) if to_poll else ())
        warnings.extend(_oddities(account, daemon))
    return _once(errors), _once(warnings)


def _once(findings: list[F]) -> list[F]:
    """Drop repetitions: the users of an entry share its server options."""
    return list({str(finding): finding for finding in findings}.values())


def _not_yet(place: Place, keyword: str, hint: str) -> ConfigError:
    return ConfigError(place, f"{quoted(keyword)} is not supported yet", hint=hint)


def _contradictions(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield what fetchmail refuses too."""
    port = account.port
    if isinstance(port, int) and not 0 < port < 65536:
        yield ConfigError(account.place("service"), f"{port} is no port number")
    if isinstance(port, str) and not _is_service(port):
        problem = f"unknown service {quoted(port)}"
        yield ConfigError(account.place("service"), problem, hint="give the port as a number")
    if account.lmtp and not account.mda and not account.bsmtp:
        for listener in account.smtphosts:
            host, _, listener_port = listener.partition("/")
            # A path is a UNIX socket.
            if host and listener_port in ("", "25", "smtp"):
                problem = f"LMTP cannot use the SMTP port of {quoted(host)}"
                hint = 'write "smtphost HOST/PORT", or the path of a UNIX socket'
                yield ConfigError(account.place("lmtp"), problem, hint=hint)
    if account.sslmode is not None and account.sslmode not in SSL_MODES:
        problem = f"unknown sslmode {quoted(account.sslmode)}"
        hint = f"use one of {', '.join(map(quoted, SSL_MODES))}"
        yield ConfigError(account.place("sslmode"), problem, hint=hint)
    if account.retrieve_error not in _RETRIEVE_ERRORS:
        problem = f"unknown retrieve-error {quoted(account.retrieve_error)}"
        hint = f"use one of {', '.join(_RETRIEVE_ERRORS)}"
        yield ConfigError(account.place("retrieve_error"), problem, hint=hint)
    chosen = [name for name in _SINKS if getattr(account, name)]
    if len(chosen) > 1 and chosen[0] in _OWN_SINKS:
        problem = f"{quoted(chosen[0])} beside {' and '.join(map(quoted, chosen[1:]))}"
        yield ConfigError(account.place(chosen[0]), problem, hint="mail goes to one place only")
    if account.append is not None:
        yield from _append_faults(account, account.append)
    for name in OWN_PATHS:
        path = getattr(account, name, None)
        if problem := fault_of_path(path or ""):
            yield ConfigError(account.place(name), f"{name}: {problem}", hint=PATH_HINT)
    mda = account.mda or ""
    if any(f"'%{letter}" in mda for letter in "FTs"):
        hint = "they are quoted already; remove the quotes around them"
        yield ConfigError(account.place("mda"), "%F and %T must not be quoted", hint=hint)


def fault_of_path(path: str) -> str:
    """Return what is wrong with a path of mailhaul's own options, "" if nothing is."""
    if path.startswith("~"):
        return f"{quoted(path)} is no path"
    return f"no shell replaces the $ in {quoted(path)}" if "$" in path else ""


def _append_faults(account: AccountSettings, url: str) -> Iterator[ConfigError]:
    """Yield what is wrong with where ``append`` puts mail."""
    from .imap_url import BadUrl, read_url  # few rc files hold one

    place = account.place("append")
    try:
        there = read_url(url)
    except BadUrl as fault:
        hint = 'write "imaps://USER@HOST/MAILBOX"'
        yield ConfigError(place, f"append: {fault}", hint=hint)
        return
    same = (there.user, there.host) == (account.remote_user, account.host)
    if same and there.mailbox in account.folders:
        problem = "append: this is the mailbox that mail comes from"
        yield ConfigError(place, problem, hint="it would go round for ever")


def _is_service(name: str) -> bool:
    """Return whether the system knows a port by this name."""
    from socket import getservbyname  # few rc files hold a name that is not well known

    try:
        getservbyname(name, "tcp")
    except OSError:
        return False
    return True


def _unsupported(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield one error for each use of something that this version cannot do."""
    protocol = account.protocol
    if protocol in _POP3 and account.folders != ("INBOX",):
        problem = f"{protocol} has no folders"
        yield ConfigError(account.place("folders"), problem, hint='remove "folder"')
    if protocol in _REFUSED:
        problem = f'"protocol {protocol}" is not supported'
        yield ConfigError(account.place("protocol"), problem, hint=_REFUSED[protocol])
    if account.auth not in _AUTHS:
        yield _not_yet(account.place("auth"), f"auth {account.auth}", 'use "auth password"')
    for name, uses, hint in _UNSUPPORTED:
        if uses(account):
            yield _not_yet(account.place(name), name, hint)


def _oddities(account: AccountSettings, daemon: bool) -> Iterator[ConfigWarning]:
    """Yield what works but is probably not meant."""
    if account.service is not None:
        problem = ""
        if account.port in (993, 995) and not account.ssl:
            problem = f'port {account.port} usually needs "ssl"'
        elif account.port in (110, 143) and account.ssl:
            problem = f'port {account.port} is usually used without "ssl"'
        if problem:
            yield ConfigWarning(account.place("service"), problem)
    if account.sslproto is not None and account.sslproto.lower() not in _SSLPROTOS:
        problem = f'sslproto {quoted(account.sslproto)} is unknown; "auto" is used'
        yield ConfigWarning(account.place("sslproto"), problem)
    if account.mda:
        from ..second_shells import second_shell  # few rc files have one

        if second := second_shell(account.mda):
            problem = f"mda hands addresses to a second shell ({second})"
            hint = "mail whose addresses could be more than text there is kept"
            yield ConfigWarning(account.place("mda"), f"{problem}; {hint}")
    if daemon and account.keep and account.fetchall:
        problem = '"fetchall" and "keep" fetch the same messages in every cycle'
        yield ConfigWarning(account.place("fetchall"), problem)
