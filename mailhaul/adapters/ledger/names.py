"""The canonical names of accounts, mailboxes and sinks in the ledger.

If the user writes the same server, mailbox or listener in another way, its canonical name stays
the same, so no mail is fetched again. The same functions convert the names of older versions.
"""

from __future__ import annotations

import os

DEFAULT_PORTS = {
    "imap": {"143", "993", "imap", "imap2", "imaps"},
    "pop3": {"110", "995", "pop3", "pop-3", "pop3s"},
    "smtp": {"25", "smtp"},
}
"""Ports left out of a name: which of them is used depends on the TLS options."""
LOOPBACK = {"localhost", "::1", "[::1]", "ip6-localhost"}
INBOX = "INBOX"


class OddName(bytes):
    """A name that is not valid UTF-8."""

    __slots__ = ()


Stored = str | bytes
"""A name in the form stored in SQLite: bytes if it is not valid UTF-8."""


def account_name(protocol: str, user: str, host: str, port: str = "", place: str = "") -> str:
    """Return the name of an account. The host's case and a default port are ignored.

    ``place`` distinguishes accounts with the same host: if a plugin makes the connection, or if the
    host is this machine, whose ports may be forwarded anywhere (``is_loopback``).
    """
    server = server_name(protocol, f"{host}:{port}" if port else host)
    return f"{protocol} {user}@{server}" + (f" ({place})" if place else "")


def same_user(protocol: str, user: str) -> str:
    """Return the common beginning of the names of this user's accounts on all servers."""
    return f"{protocol} {user}@"


def name_of_paged(name: str) -> str:
    """Return the name of an account for ``PROTOCOL USER@HOST[:PORT]``, the form in old files."""
    protocol, _, rest = name.partition(" ")
    user, _, server = rest.rpartition("@")
    return f"{protocol} {user}@{server_name(protocol, server)}"


def server_name(protocol: str, server: str) -> str:
    """Return ``HOST`` or ``HOST:PORT``, in lower case and without a default port."""
    # A bare IPv6 address contains colons.
    host, colon, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
    folded = host.lower().rstrip(".")
    return folded if not colon or port in DEFAULT_PORTS.get(protocol, ()) else f"{folded}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine. Its name then does not identify the mail server."""
    folded = host.lower().rstrip(".")
    return folded in LOOPBACK or folded.startswith("127.")


def mailbox_name(account: str, name: str) -> str:
    """Return the name of a mailbox. INBOX is case-insensitive, and POP3 has no other mailbox."""
    if account.startswith("pop3 ") or name.upper() == INBOX:
        return INBOX
    return name


def sink_name(name: str) -> str:
    """Return the name of a sink from its kind and its value in the rc file."""
    kind, _, rest = name.partition(" ")
    if kind in {"smtp", "lmtp"}:
        hosts, through, command = rest.partition(" through ")
        listeners = dict.fromkeys(map(listener_name, hosts.split()))
        rest = " ".join(listeners) + through + " ".join(command.split())
    elif kind == "gmail":
        rest = rest.lower()
    elif kind in {"maildir", "mbox", "bsmtp"}:
        rest = rest if rest == "-" else os.path.abspath(rest)
    else:
        rest = " ".join(rest.split())
    return f"{kind} {rest}"


def listener_name(host: str) -> str:
    """Return the name of one listener: a path, or a host with its port unless that is 25."""
    if host.startswith("/"):
        return os.path.abspath(host)
    name, slash, port = host.partition("/")
    name = "localhost" if is_loopback(name) else name.lower().rstrip(".")
    return name if port in {"", *DEFAULT_PORTS["smtp"]} else f"{name}{slash}{port}"


def stored(name: str) -> Stored:
    """Return a name in its stored form. A name with surrogates becomes the original bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return OddName(name.encode("utf-8", "surrogateescape"))
    return name


def as_text(name: Stored) -> str:
    """Return a stored name as text. ``stored`` converts it back."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
