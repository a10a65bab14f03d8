"""``--configdump``: the settings from all files and the command line, for other programs.

The plain form is Python source as fetchmail writes it, including passwords, so that programs which
read fetchmail's dumps can read mailhaul's. The JSON form uses mailhaul's own option names and
contains passwords only on request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import cast

from ...protocols.secret import Secret
from .options import GLOBAL, OPTIONS, SERVER, USER
from .settings import AccountSettings, GlobalSettings

FEATURES = ("pop3", "imap", "sdps", "etrn", "ssl")
PROTOCOLS = {"auto": "auto", "sdps": "POP3", "kpop": "POP3", "pop2": "unknown?!?"}
"""Protocols whose name in fetchmail's dump is not just the name in upper case."""
AUTHS = {"kerberos5": "kerberos_v5", "kerberos4": "kerberos_v4"}

GLOBALS = (
    ("poll_interval", "daemon"),
    ("logfile", "logfile"),
    ("idfile", "idfile"),
    ("postmaster", "postmaster"),
    ("bouncemail", "bouncemail"),
    ("spambounce", "spambounce"),
    ("softbounce", "softbounce"),
    ("properties", "properties"),
    ("invisible", "invisible"),
    ("showdots", "showdots"),
    ("syslog", "syslog"),
)
"""Fetchmail's key and mailhaul's name of each global option, in fetchmail's order."""
USERS = (
    *("fetchall", "keep", "flush", "limitflush", "rewrite", "stripcr", "forcecr", "pass8bits"),
    *("dropstatus", "dropdelivered", "mimedecode", "idle", "mda", "bsmtp", "lmtp", "preconnect"),
    *("postconnect", "limit", "warnings", "fetchlimit", "fetchsizelimit", "fastuidl"),
    *("batchlimit", "ssl", "sslkey", "sslcert", "sslproto", "sslcertck", "sslcertfile"),
    *("sslcertpath", "sslcommonname", "sslfingerprint", "expunge", "properties"),
)
"""Options of a user that have the same name in both programs, in fetchmail's order."""


def python_dump(settings: GlobalSettings, accounts: Iterable[AccountSettings], host: str) -> str:
    """Return the dump as fetchmail writes it; ``host`` is the name of this host."""
    lines = ["TRUE=1; FALSE=0", "", "os_type = 'linux'"]
    lines.append(f"feature_options = ({''.join(f'{name!r},' for name in FEATURES)})")
    lines += ["# Start of configuration initializer", "fetchmailrc = {"]
    lines += [f"    {pair(key, getattr(settings, name))}," for key, name in GLOBALS]
    servers = list(by_server(accounts))
    lines += ["    # List of server entries begins here"] if servers else []
    lines.append("    'servers': [")
    for users in servers:
        lines += server_lines(users, host)
    lines += ["    ]", "}", "# End of initializer"]
    return "\n".join(lines) + "\n"


def by_server(accounts: Iterable[AccountSettings]) -> Iterable[Sequence[AccountSettings]]:
    """Yield the users of each entry."""
    for _, users in groupby(accounts, key=lambda account: (account.entry, account.pollname)):
        yield list(users)


def server_lines(users: Sequence[AccountSettings], host: str) -> list[str]:
    """Return the lines of one server entry."""
    server = users[0]
    # Escaped, so that a name with a line end in it cannot end the comment.
    lines = [f"\t# Entry for site `{string(server.pollname)[1:-1]}' begins:", "\t{"]
    lines += [f"\t    {text}," for text in server_pairs(server)]
    lines.append("\t    'users': [")
    for user in users:
        lines.append("\t\t{")
        lines += [f"\t\t    {text}," for text in user_pairs(user, host)]
        lines += ["\t\t}", "\t\t,"]
    return [*lines, "\t    ]", "\t}", "\t,"]


def server_pairs(server: AccountSettings) -> Iterable[str]:
    """Yield the options of a server, in fetchmail's order."""
    yield pair("pollname", server.pollname)
    yield pair("active", not server.skip)
    yield pair("via", server.via)
    yield pair("protocol", PROTOCOLS.get(server.protocol, server.protocol.upper()))
    yield pair("service", None if server.service is None else str(server.service))
    yield pair("timeout", server.timeout)
    yield pair("interval", server.interval)
    yield pair("envelope", server.envelope)
    yield pair("envskip", server.envelope_skip)
    yield pair("qvirtual", server.qvirtual)
    if server.auth != "external":
        # Fetchmail's dump has no name for this one.
        yield pair("auth", AUTHS.get(server.auth, server.auth))
    for name in ("dns", "uidl", "aka", "localdomains", "interface", "monitor", "plugin"):
        yield pair(name, getattr(server, name))
    for name in ("plugout", "principal", "esmtpname"):
        yield pair(name, getattr(server, name))
    if server.esmtppassword is not None:
        yield pair("esmtppassword", server.esmtppassword)
    yield pair("tracepolls", server.tracepolls)
    yield pair("badheader", server.bad_header == "accept")


def user_pairs(user: AccountSettings, host: str) -> Iterable[str]:
    """Yield the options of a user, in fetchmail's order."""
    yield pair("remote", user.remote_user)
    yield pair("password", user.password)
    yield f"'localnames':[{', '.join(local_names(user))}]"
    for name in USERS:
        yield pair(name, getattr(user, name))
    yield pair("smtphunt", user.smtphosts)
    collected = user.fetchdomains or ((host,) if user.protocol in {"etrn", "odmr"} else ())
    yield pair("fetchdomains", collected)
    yield pair("smtpaddress", user.smtpaddress)
    yield pair("smtpname", user.smtpname)
    yield f"'antispam':'{' '.join(map(str, user.antispam))}'"
    # The default folder is not dumped.
    yield pair("mailboxes", user.folders if user.chose("folders") else ())


def local_names(user: AccountSettings) -> Iterable[str]:
    """Yield local names, as pairs if the remote name differs, and the wildcard last."""
    for remote, local in user.local_names:
        yield string(local) if remote == local else f"({string(remote)}, {string(local)})"
    if user.wildcard:
        yield "'*'"


def pair(key: str, value: object) -> str:
    """Return a key and its value. As in fetchmail, keys of strings and lists have double quotes."""
    match value:
        case bool():
            return f"'{key}':{'TRUE' if value else 'FALSE'}"
        case int():
            return f"'{key}':{value}"
        case None:
            return f'"{key}":None'
        case Secret():
            return f'"{key}":{string(value.reveal().decode("utf-8", "surrogateescape"))}'
        case tuple():
            entries = cast(tuple[object, ...], value)
            return f'"{key}":[{", ".join(string(str(entry)) for entry in entries)}]'
        case _:
            return f'"{key}":{string(str(value))}'


def string(text: str) -> str:
    """Return a double-quoted Python string; characters that are not printable are escaped."""
    pieces = ['"']
    for character in text:
        code = ord(character)
        if character in '"\\':
            pieces.append("\\" + character)
        elif character.isprintable() and not 0xDC80 <= code <= 0xDCFF:
            pieces.append(character)
        elif 0xDC80 <= code <= 0xDCFF:
            # A byte that was not UTF-8.
            pieces.append(f"\\x{code - 0xDC00:02x}")
        else:
            pieces.append(repr(character)[1:-1])
    return "".join([*pieces, '"'])


def json_dump(
    settings: GlobalSettings, accounts: Iterable[AccountSettings], *, with_secrets: bool
) -> str:
    """Return the dump as JSON; passwords are ``null`` or ``true`` unless ``with_secrets``."""
    import json  # not needed for a poll

    def values(level: str, home: object) -> Mapping[str, object]:
        names = dict.fromkeys(o.name for o in OPTIONS if o.level == level)
        return {name: plain(value_of(home, name), with_secrets=with_secrets) for name in names}

    def value_of(home: object, name: str) -> object:
        value = getattr(home, name)
        # A URL says where the ledger is; only its password is secret.
        if name == "store" and isinstance(value, Secret) and not with_secrets:
            return shown_store(value)
        return value

    servers = [
        {
            "pollname": plain(users[0].pollname, with_secrets=with_secrets),
            "skip": users[0].skip,
            **values(SERVER, users[0]),
            "envelope_skip": users[0].envelope_skip,
            "users": [{**values(USER, user), "wildcard": user.wildcard} for user in users],
        }
        for users in by_server(accounts)
    ]
    return json.dumps({**values(GLOBAL, settings), "servers": servers}, indent=2) + "\n"


def shown_store(store: Secret) -> str:
    """Return the store without a password."""
    from ..postgres.urls import is_url, shown_url

    text = store.reveal().decode("utf-8", "replace")
    return shown_url(text) if is_url(text) else "SQLite"


def plain(value: object, *, with_secrets: bool) -> object:
    """Return a value in a form that JSON can represent."""
    if isinstance(value, Secret):
        return value.reveal().decode("utf-8", "backslashreplace") if with_secrets else True
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, tuple):
        entries = cast(tuple[object, ...], value)
        return [plain(entry, with_secrets=with_secrets) for entry in entries]
    return value
