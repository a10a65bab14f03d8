"""Check well-formed settings for contradictions and for features that are not supported.

Only accounts that will be polled are checked. Options that do not change what happens to mail are
accepted silently, even if they have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from ..sinks.kinds import DIRECT_SINKS
from .errors import ConfigError, ConfigWarning, Finding, Place, did_you_mean, quoted
from .options import OPTIONS, OWN_PATHS, SUPPORTED_AUTHS
from .secret_table import KEYRING, SECRETS, TOKEN_AUTHS, VARIABLE
from .settings import AccountSettings, GlobalSettings
from .values import service

if TYPE_CHECKING:
    from .secret_table import SecretKind

_OBSOLETE_PROTOCOLS: Final = {
    "pop2": "no server supports it any more",
    "rpop": "it trusts the client's port number",
    "kpop": "it needs Kerberos 4",
    "odmr": "ask the provider for IMAP, or use a mail server that supports ODMR",
}
"""Protocols that will never be supported, with a reason or a hint."""

_UNSUPPORTED: Final[tuple[tuple[str, Callable[[AccountSettings], bool], str], ...]] = (
    ("forceidle", lambda a: a.forceidle, 'use "idle"; servers announce whether they support it'),
    (
        "interface",
        lambda a: a.interface is not None,
        'start mailhaul from the script that brings the interface up; "bindaddress" chooses the '
        "address that connections come from",
    ),
    ("monitor", lambda a: a.monitor is not None, "start mailhaul from a timer instead"),
)
"""Option, whether an account uses it, and what to do instead. A row is removed when the feature is
added; each name is also the keyword.
"""

_OWN_SINKS: Final = frozenset(sink.option for sink in DIRECT_SINKS if sink.own)
_SINKS: Final = tuple(sink.option for sink in DIRECT_SINKS)
"""Options that choose a sink without a listener. fetchmail's own ones have a fixed precedence."""

_READING: Final = frozenset(
    {"leaveunread", "deleteafter", "deletelimit", "since", "only", "excepted", "keeptree"}
)
"""Options about what is read and how long it stays; their checks are in reading_sanity.py."""

_PIN_DIGITS: Final = (32, 64)
"""Hexadecimal digits of MD5, as in fetchmail, and of SHA-256."""
_POP3: Final = frozenset({"pop2", "pop3", "sdps", "apop", "rpop", "kpop"})

PATH_HINT: Final = 'write an absolute path, or one that begins with "~/"'

F = TypeVar("F", bound=Finding)


def check(
    settings: GlobalSettings,
    accounts: Iterable[AccountSettings],
    *,
    to_poll: bool = True,
) -> tuple[list[ConfigError], list[ConfigWarning]]:
    """Return the errors and the warnings for these accounts.

    Without ``to_poll``, features that are not supported are no errors.
    """
    errors: list[ConfigError] = []
    warnings: list[ConfigWarning] = []
    daemon = settings.daemon > 0
    if settings.maxconnections < 1:
        place = settings.place("maxconnections")
        errors.append(ConfigError(place, "maxconnections must be at least 1"))
    if settings.metrics is not None:
        from .metrics_sanity import metrics_faults  # few rc files need it

        errors.extend(metrics_faults(settings))
    if settings.store is not None or settings.oauthstore.lower() == "store":
        from .ledger_sanity import ledger_faults  # few rc files need it

        errors.extend(ledger_faults(settings))
    if settings.commands or settings.storefolders:
        from .store_sanity import store_faults  # few rc files need it

        errors.extend(store_faults(settings))
    errors.extend(one for one in _unknown_words(settings) if isinstance(one, ConfigError))
    for account in accounts:
        unknown = list(_unknown_words(account))
        errors.extend(finding for finding in unknown if isinstance(finding, ConfigError))
        warnings.extend(finding for finding in unknown if isinstance(finding, ConfigWarning))
        errors.extend(_contradictions(account))
        errors.extend(_unsupported(account) if to_poll else ())
        errors.extend(_host_faults(account) if to_poll else ())
        warnings.extend(_suspicious_settings(account, daemon))
    return _without_duplicates(errors), _without_duplicates(warnings)


def _without_duplicates(findings: list[F]) -> list[F]:
    """Remove duplicates: the users of an entry share its server options."""
    return list({str(finding): finding for finding in findings}.values())


def _unsupported_error(place: Place, keyword: str, hint: str) -> ConfigError:
    return ConfigError(place, f"{quoted(keyword)} is not supported yet", hint=hint)


def _unknown_words(
    account: AccountSettings | GlobalSettings,
) -> Iterator[ConfigError | ConfigWarning]:
    """Yield the values that their options do not allow."""
    for option in OPTIONS:
        value = getattr(account, option.name, None) if option.choices else None
        if value is None or option.choice(value) is not None:
            continue
        word, place = option.keywords[0], account.place(option.name)
        if option.fallback:
            problem = f"{word} {quoted(value)} is unknown; {quoted(option.fallback)} is used"
            hint = did_you_mean(value.lower(), option.choices)
            yield ConfigWarning(place, problem, hint=hint)
        else:
            hint = f"use one of {', '.join(map(quoted, option.choices))}"
            yield ConfigError(place, f"unknown {word} {quoted(value)}", hint=hint)


def _pin_faults(account: AccountSettings, pin: str) -> Iterator[ConfigError]:
    """Yield an error if a fingerprint cannot match any certificate."""
    digits = pin.replace(":", "")
    if len(digits) in _PIN_DIGITS and not digits.strip("0123456789abcdefABCDEF"):
        return
    found = f"{len(digits)} digits (as SHA-1 has)" if len(digits) == 40 else quoted(pin)
    hint = (
        "give MD5 (32 hexadecimal digits) or SHA-256 (64), as printed by "
        '"openssl x509 -noout -fingerprint -sha256"'
    )
    problem = f"no certificate can have the fingerprint {found}"
    yield ConfigError(account.place("sslfingerprint"), problem, hint=hint)


def _contradictions(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield contradictions, most of which fetchmail refuses too."""
    port = account.port
    if isinstance(port, int) and not 0 < port < 65536:
        yield ConfigError(account.place("service"), f"{port} is not a port number")
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
    # As in fetchmail, bsmtp wins over mda; mailhaul's own sinks go with no other one.
    chosen = [name for name in _SINKS if getattr(account, name)]
    chosen.sort(key=lambda name: name not in _OWN_SINKS)
    if len(chosen) > 1 and chosen[0] in _OWN_SINKS:
        problem = f"{quoted(chosen[0])} together with {' and '.join(map(quoted, chosen[1:]))}"
        hint = "mail can go to one destination only"
        yield ConfigError(account.place(chosen[0]), problem, hint=hint)
    if account.proxy or account.proxyout or account.bindaddress or account.bindaddressout:
        from .way_sanity import way_faults  # few rc files need it

        yield from way_faults(account)
    if account.append is not None:
        yield from _append_faults(account, account.append)
    if account.gmail is not None:
        from .gmail_sanity import gmail_faults  # few rc files need it

        yield from gmail_faults(account, account.gmail)
    for kind in SECRETS.values():
        if not vars(account).keys().isdisjoint(kind.options):
            yield from _secret_faults(account, kind)
    for name in OWN_PATHS:
        path = getattr(account, name, None)
        if problem := fault_of_path(path or ""):
            yield ConfigError(account.place(name), f"{name}: {problem}", hint=PATH_HINT)
    if "oauth" in (account.auth, account.esmtpauth, account.appendauth) or account.gmail:
        from .oauth_sanity import oauth_faults  # few rc files need it

        yield from oauth_faults(account)
    if account.chose_any(_READING):
        from .reading_sanity import reading_faults  # few rc files need it

        yield from reading_faults(account)
    mda = account.mda or ""
    if any(f"'%{letter}" in mda for letter in "FTs"):
        hint = "they are quoted already; remove the quotes around them"
        yield ConfigError(account.place("mda"), "%F and %T must not be quoted", hint=hint)


def _secret_faults(account: AccountSettings, kind: SecretKind) -> Iterator[ConfigError]:
    """Yield an error for a secret that is kept in two places, or in one that cannot exist.

    The text never contains the argument: it may be the secret, written after the wrong option.
    """
    chosen = [name for name in kind.options if getattr(account, name) is not None]
    if len(chosen) > 1:
        places = {name: account.place(name) for name in chosen}
        chosen.sort(key=lambda name: (places[name].line, places[name].column))
        problem = f"{quoted(chosen[-1])} together with {' and '.join(map(quoted, chosen[:-1]))}"
        hint = f"keep the {kind.help} in one place only"
        yield ConfigError(places[chosen[-1]], problem, hint=hint)
    variable, entry = kind.name + VARIABLE, kind.name + KEYRING
    name = getattr(account, variable)
    if name is not None and not (name.isascii() and name.isidentifier()):
        problem = f"the value of {variable} is not the name of an environment variable"
        hint = f'write the name without "$" or the secret itself with "{kind.name}"'
        yield ConfigError(account.place(variable), problem, hint=hint)
    if (getattr(account, entry) or "x").startswith("/"):
        problem = f"the value of {entry} names no service"
        hint = 'write "SERVICE" or "SERVICE/USER"'
        yield ConfigError(account.place(entry), problem, hint=hint)


def _host_faults(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield the names of hosts and domains that cannot be converted to ASCII (IDNA)."""
    for option, name in _host_names(account):
        if name.isascii():
            continue
        from ...flows.host_names import BadHostName, ascii_host  # rarely necessary

        try:
            ascii_host(name)
        except BadHostName as fault:
            problem = f"{quoted(name)} is not a host name: {fault}"
            hint = "give the name in its ASCII form (xn--...)"
            yield ConfigError(account.place(option), problem, hint=hint)


def _host_names(account: AccountSettings) -> Iterator[tuple[str, str]]:
    """Yield options and the host names in them that are looked up, compared or sent.

    A plugin may interpret a name in its own way, unless it is compared with a certificate.
    """
    checked = account.sslcertck and account.sslproto != "" and account.sslmode != "none"
    if account.plugin is None or (checked and not account.sslcommonname):
        yield "via", account.host
    if account.sslcommonname:
        yield "sslcommonname", account.sslcommonname
    if not any(getattr(account, sink) for sink in _SINKS):
        for host in account.smtphosts:
            if not host.startswith("/"):
                yield "smtphosts", host.partition("/")[0]
    if account.smtpaddress:
        yield "smtpaddress", account.smtpaddress
    for option in ("fetchdomains", *(("aka", "localdomains") if account.multidrop else ())):
        for name in getattr(account, option):
            yield option, name


def fault_of_path(path: str) -> str:
    """Return what is wrong with the path of one of mailhaul's own options, or ""."""
    if path.startswith("~"):
        return f"{quoted(path)} is not a path"
    return f"the $ in {quoted(path)} is not expanded" if "$" in path else ""


def _append_faults(account: AccountSettings, url: str) -> Iterator[ConfigError]:
    """Yield errors in the URL of ``append``."""
    from ...flows.host_names import BadHostName, ascii_host  # few rc files contain a URL
    from .imap_url import BadUrl, read_url

    def folded(host: str) -> str:
        with suppress(BadHostName):
            host = ascii_host(host)
        return host.lower().removesuffix(".")

    place = account.place("append")
    try:
        target = read_url(url)
        ascii_host(target.host)
    except (BadUrl, BadHostName) as fault:
        hint = 'write "imaps://USER@HOST/MAILBOX"'
        yield ConfigError(place, f"append: {fault}", hint=hint)
        return
    same = (target.user, folded(target.host)) == (account.remote_user, folded(account.host))
    if same and any(_covers(target.mailbox, folder) for folder in account.folders):
        problem = "append: this is the mailbox that mail is fetched from"
        yield ConfigError(place, problem, hint="the same mail would be fetched again without end")


def _covers(mailbox: str, folder: str) -> bool:
    """Whether a folder or a pattern may include a mailbox.

    INBOX is not case-sensitive (RFC 3501, section 5.1). ``%`` is treated like ``*``, since only the
    server knows the hierarchy delimiter.
    """
    import re  # rarely necessary

    pattern = re.sub("[*%]+", ".*", re.escape(folder).replace(r"\*", "*"))
    if mailbox.upper() == "INBOX":
        return re.fullmatch(pattern, mailbox, re.IGNORECASE | re.DOTALL) is not None
    return re.fullmatch(pattern, mailbox, re.DOTALL) is not None


def _is_service(name: str) -> bool:
    """Return whether the system has a service with this name."""
    from socket import getservbyname  # few rc files contain a name that is not well known

    try:
        getservbyname(name, "tcp")
    except OSError:
        return False
    return True


def _unsupported(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield an error for each feature that is impossible or not supported by this version."""
    protocol = account.protocol
    if protocol in _POP3 and account.folders != ("INBOX",):
        problem = f"{protocol} has no folders"
        yield ConfigError(account.place("folders"), problem, hint='remove "folder"')
    if protocol in _OBSOLETE_PROTOCOLS:
        problem = f'"protocol {protocol}" is not supported'
        yield ConfigError(account.place("protocol"), problem, hint=_OBSOLETE_PROTOCOLS[protocol])
    if account.sslfingerprint is not None:
        yield from _pin_faults(account, account.sslfingerprint)
    if account.auth not in SUPPORTED_AUTHS:
        yield _unsupported_error(
            account.place("auth"), f"auth {account.auth}", 'use "auth password"'
        )
    for name, uses, hint in _UNSUPPORTED:
        if uses(account):
            yield _unsupported_error(account.place(name), name, hint)


def _suspicious_settings(account: AccountSettings, daemon: bool) -> Iterator[ConfigWarning]:
    """Yield settings that work but are probably mistakes."""
    if account.service is not None:
        problem = ""
        if account.port in (993, 995) and not account.wrapped:
            problem = f'port {account.port} usually needs "ssl"'
        elif account.port in (110, 143) and account.wrapped:
            problem = f'port {account.port} is usually used without "ssl"'
        if problem:
            yield ConfigWarning(account.place("service"), problem)
    if not any(getattr(account, sink) for sink in _SINKS):
        yield from _listener_ports(account)
    if account.sslmode is not None:
        yield from _overruled_by_sslmode(account)
    if account.oauthissuer is not None:
        from .oauth_sanity import oauth_warnings

        yield from oauth_warnings(account)
    if account.auth in TOKEN_AUTHS or account.appendauth == "oauth":
        from .oauth_sanity import token_warnings

        yield from token_warnings(account)
    if account.fetchread:
        yield from _useless_fetchread(account)
    if account.chose_any(_READING):
        from .reading_sanity import reading_warnings

        yield from reading_warnings(account)
    if account.smtpparallel > 1 and (others := [n for n in _SINKS if getattr(account, n)]):
        problem = f'"smtpparallel" has no effect together with {quoted(others[0])}'
        yield ConfigWarning(account.place("smtpparallel"), problem)
    if account.mda:
        from ..second_shells import second_shell  # few rc files have one

        if second := second_shell(account.mda):
            problem = f"mda passes addresses to a second shell ({second})"
            hint = "mail with addresses that this shell could interpret as syntax is kept"
            yield ConfigWarning(account.place("mda"), f"{problem}; {hint}")
    if daemon and account.keeps and account.fetchall:
        problem = '"fetchall" and "keep" fetch the same messages in every cycle'
        yield ConfigWarning(account.place("fetchall"), problem)


def _listener_ports(account: AccountSettings) -> Iterator[ConfigWarning]:
    """Yield invalid port numbers of listeners; other listeners of the list may work."""
    for listener in account.smtphosts:
        host, _, port = listener.partition("/")
        number = service(port)
        if host and isinstance(number, int) and not 0 < number < 65536:
            problem = f"{port} is not a port number of {quoted(host)}"
            yield ConfigWarning(account.place("smtphosts"), problem)


def _overruled_by_sslmode(account: AccountSettings) -> Iterator[ConfigWarning]:
    """Yield the options that ``sslmode`` overrules, if they contradict it."""
    mode = account.sslmode
    contradictions = {
        "ssl": account.ssl and mode != "wrapped",
        "sslproto": account.sslproto == "" and mode != "none",
    }
    for name, contradicts in contradictions.items():
        if contradicts:
            problem = f'"sslmode {mode}" is used, although {quoted(name)} contradicts it'
            yield ConfigWarning(account.place(name), problem)


def _useless_fetchread(account: AccountSettings) -> Iterator[ConfigWarning]:
    """Yield a warning if ``fetchread`` has no effect."""
    place = account.place("fetchread")
    if account.protocol not in ("imap", "auto"):
        problem = f'"fetchread" is for IMAP; over {account.protocol} it has no effect'
        yield ConfigWarning(place, problem)
    elif account.fetchall:
        yield ConfigWarning(place, '"fetchread" has no effect together with "fetchall"')
