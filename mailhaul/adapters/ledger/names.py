"""What the ledger calls accounts, mailboxes and sinks: what they are, not how they are written.

Whoever writes the same server, mailbox or listener in another way means the same one, and gets no
mail again for it. The same functions read the names that older versions wrote.
"""

from __future__ import annotations

import os

DEFAULT_PORTS = {
    "imap": {"143", "993", "imap", "imap2", "imaps"},
    "pop3": {"110", "995", "pop3", "pop-3", "pop3s"},
    "smtp": {"25", "smtp"},
}
"""Ports that need not be named: which of them is used follows from the options for TLS."""
LOOPBACK = {"localhost", "::1", "[::1]", "ip6-localhost"}
INBOX = "INBOX"

Stored = str | bytes
"""A name as SQLite takes it: bytes where it is not UTF-8."""


def account_name(protocol: str, user: str, host: str, port: str = "", place: str = "") -> str:
    """Return the name of an account: the host's case and a default port do not matter.

    ``place`` tells accounts apart that the host does not: where a plugin makes the connection, or
    where the host is this machine, whose ports may lead anywhere (``is_loopback``).
    """
    server = server_name(protocol, f"{host}:{port}" if port else host)
    return f"{protocol} {user}@{server}" + (f" ({place})" if place else "")


def same_user(protocol: str, user: str) -> str:
    """Return how the names of all accounts begin that this user has, on whatever server."""
    return f"{protocol} {user}@"


def name_of_paged(name: str) -> str:
    """Return the name of an account for ``PROTOCOL USER@HOST[:PORT]``, as pages have it."""
    protocol, _, rest = name.partition(" ")
    user, _, server = rest.rpartition("@")
    return f"{protocol} {user}@{server_name(protocol, server)}"


def server_name(protocol: str, server: str) -> str:
    """Return ``HOST`` or ``HOST:PORT`` with the host's case folded, without a default port."""
    # A bare IPv6 address has colons of its own.
    host, colon, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
    folded = host.lower().rstrip(".")
    return folded if not colon or port in DEFAULT_PORTS.get(protocol, ()) else f"{folded}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: then its name does not tell whose mail is there."""
    folded = host.lower().rstrip(".")
    return folded in LOOPBACK or folded.startswith("127.")


def mailbox_name(account: str, name: str) -> str:
    """Return the name of a mailbox: case does not matter for INBOX, and POP3 has no other."""
    if account.startswith("pop3 ") or name.upper() == INBOX:
        return INBOX
    return name


def sink_name(name: str) -> str:
    """Return the name of a sink from its kind and what the rc file says of it."""
    kind, _, rest = name.partition(" ")
    if kind in {"smtp", "lmtp"}:
        hosts, through, command = rest.partition(" through ")
        listeners = dict.fromkeys(map(listener_name, hosts.split()))
        rest = " ".join(listeners) + through + " ".join(command.split())
    elif kind in {"maildir", "mbox", "bsmtp"}:
        rest = rest if rest == "-" else os.path.abspath(rest)
    else:
        rest = " ".join(rest.split())
    return f"{kind} {rest}"


def listener_name(host: str) -> str:
    """Return the name of one listener: a path, or a host and its port if that is not SMTP's."""
    if host.startswith("/"):
        return os.path.abspath(host)
    name, slash, port = host.partition("/")
    name = "localhost" if is_loopback(name) else name.lower().rstrip(".")
    return name if port in {"", *DEFAULT_PORTS["smtp"]} else f"{name}{slash}{port}"


def stored(name: str) -> Stored:
    """Return a name as the ledger stores it: octets that are not UTF-8 stay as they are."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape")
    return name


def shown(name: Stored) -> str:
    """Return a stored name as text, from which the same name can be made again."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
