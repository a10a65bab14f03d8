"""Which of the announced features a poll uses, and why or why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....adapters.config.settings import AccountSettings
from ....adapters.login.access import TlsMode
from ....adapters.login.reach import tls_mode
from ....adapters.sources.imap import is_pattern
from ....protocols.record import Record
from .session import Listening, Session

BY_COMMAND = frozenset({"LOGIN", "USER and PASS", "APOP"})
"""Logins by a command of the protocol itself."""


class Feature(Record):
    """A feature: whether the server has ``offered`` it, whether a poll has ``used`` it, and why."""

    name: str
    offered: bool
    used: bool
    why: str


class Offers:
    """The capabilities before and after the login, by keyword."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        self.before = {keyword_of(name) for name in before}
        self.after = {keyword_of(name) for name in (after or before)}
        self.values = {
            keyword_of(name): name.replace("=", " ").split()[1:] for name in (*before, *after)
        }

    def __contains__(self, name: str) -> bool:
        return name in self.after


def keyword_of(name: str) -> str:
    """Return the keyword of a capability, such as AUTH for ``AUTH=PLAIN``."""
    return name.replace("=", " ").split(" ")[0].upper()


def features_of(session: Session) -> list[Feature]:
    """Return the features of a server, as far as they matter for a poll."""
    offers = Offers(session.recorder.before, session.recorder.after)
    yields = imap_features if session.settings.kind.family == "imap" else pop3_features
    return list(yields(session, offers))


def start_tls(session: Session, offers: Offers, name: str) -> Feature:
    """Return whether the connection was encrypted by a command."""
    mode = tls_mode(session.settings)
    used = mode in {TlsMode.REQUIRED, TlsMode.OFFERED} and session.tls is not None
    # The offer is gone once TLS is active.
    offered = used or name in offers.before
    if mode is TlsMode.WRAPPED:
        why = "TLS begins with the first byte"
    elif mode is TlsMode.NEVER:
        why = "TLS is switched off (sslproto '' or sslmode none)"
    elif used:
        why = "TLS is required" if mode is TlsMode.REQUIRED else "the server offers it"
    else:
        why = "the server does not offer it"
    return Feature(name, offered, used, why)


def is_by_sasl(session: Session) -> bool:
    """Whether the login was by a SASL mechanism."""
    login = session.recorder.login
    return bool(login) and login not in BY_COMMAND and " " not in login


def why_this_login(session: Session) -> str:
    """Return by what the login was, and why."""
    login, auth = session.recorder.login, session.settings.auth
    if not login:
        return "there was no login"
    if is_by_sasl(session):
        return f'{login} is the best mechanism that both sides know (auth "{auth}")'
    if login not in BY_COMMAND:
        return f"the login is by {login}"
    if session.tls:
        return f"inside TLS the password may be sent as it is, by {login}"
    return f"{login}: without TLS, and allowed by the configuration"


def imap_features(session: Session, offers: Offers) -> Iterator[Feature]:
    """Yield the features of an IMAP server."""
    settings = session.settings
    yield start_tls(session, offers, "STARTTLS")
    by_sasl = is_by_sasl(session)
    yield Feature("AUTH", "AUTH" in offers.before, by_sasl, why_this_login(session))
    why = "saves a round trip at AUTHENTICATE" if by_sasl else "the login is not by AUTHENTICATE"
    yield feature("SASL-IR", offers, by_sasl, why)
    if settings.keep:
        why = "no message is deleted (keep)"
    elif "UIDPLUS" in offers:
        why = "only the messages that were delivered are expunged"
    else:
        why = "without it, all messages flagged as deleted are expunged together"
    yield feature("UIDPLUS", offers, not settings.keep, why)
    if not settings.idle:
        why = 'the account does not wait for mail; write "idle" to do so'
    elif "IDLE" in offers:
        why = "waits for new mail between polls"
    else:
        why = "without it, the mailbox is polled again and again"
    yield feature("IDLE", offers, settings.idle, why)
    plain = [name for name in settings.folders if not is_pattern(name)]
    several = settings.idle and len(plain) > 1
    why = (
        "watches several folders over one connection"
        if several
        else "it would help to watch several folders (idle)"
    )
    yield feature("NOTIFY", offers, several and "IDLE" in offers, why)
    special = any(name.startswith("\\") for name in settings.folders)
    why = "finds folders by their use" if special else "no folder is named by its use, as in \\Sent"
    yield feature("SPECIAL-USE", offers, special, why)
    for name in ("LITERAL+", "LITERAL-"):
        if name in offers:
            yield feature(name, offers, True, "saves a round trip for unusual folder names")
    yield feature("ID", offers, False, "is sent only to servers that refuse clients without it")
    yield feature("COMPRESS", offers, False, "a poll does not compress")
    yield feature("CONDSTORE", offers, False, "the ledger knows what is new")
    quota = "QUOTA" in offers
    why = "shown below; a poll does not ask" if quota else "the server says nothing about quotas"
    yield feature("QUOTA", offers, False, why)


def feature(name: str, offers: Offers, wanted: bool, why: str) -> Feature:
    """Return a feature that is used if it is wanted and offered."""
    offered = name in offers
    return Feature(name, offered, offered and wanted, why)


def pop3_features(session: Session, offers: Offers) -> Iterator[Feature]:
    """Yield the features of a POP3 server."""
    settings = session.settings
    yield start_tls(session, offers, "STLS")
    ahead = "PIPELINING" in offers
    why = "several commands in one write" if ahead else "each command waits for the reply before"
    yield feature("PIPELINING", offers, True, why)
    if "UIDL" in offers:
        why = "tells which messages were fetched before"
    else:
        why = 'without it, mail that is kept would be fetched again: use "no keep"'
    yield feature("UIDL", offers, True, why)
    if settings.fetchall:
        why = 'RETR is used with "fetchall"'
    elif "TOP" in offers:
        why = "fetches without marking as read"
    else:
        why = "RETR is used, which may mark messages as read"
    yield feature("TOP", offers, not settings.fetchall, why)
    yield feature("SASL", offers, is_by_sasl(session), why_this_login(session))
    if "EXPIRE" in offers:
        days = (offers.values["EXPIRE"] or ["?"])[0]
        why = f"the server removes messages after {days} days"
        if days == "0":
            why = "the server removes messages that RETR has sent, at QUIT"
        elif days.upper() == "NEVER":
            why = "the server removes no messages by itself"
        yield Feature("EXPIRE", True, days == "0", why)
    if "LOGIN-DELAY" in offers:
        seconds = (offers.values["LOGIN-DELAY"] or ["?"])[0]
        why = f"at least {seconds} seconds between two logins; the daemon waits for them"
        yield Feature("LOGIN-DELAY", True, True, why)
    yield feature("RESP-CODES", offers, True, "tells a locked maildrop from a wrong password")
    yield feature("UTF8", offers, False, "messages are passed on as they are")


def listener_features(listening: Listening, settings: AccountSettings) -> list[Feature]:
    """Return the features of an SMTP or LMTP listener."""
    offers = Offers(listening.extensions, ())
    needs_login = settings.chose("esmtpname") or settings.esmtppassword is not None
    login = "logs in as esmtpname" if needs_login else 'no login is configured ("esmtpname")'
    ahead = "PIPELINING" in offers
    return [
        feature(
            *("PIPELINING", offers, True),
            "the next message follows at once" if ahead else "each command waits for its reply",
        ),
        feature("SIZE", offers, True, "messages that are too large are refused at once"),
        feature("8BITMIME", offers, True, "8-bit text is declared"),
        feature("SMTPUTF8", offers, True, "for addresses in UTF-8"),
        feature("CHUNKING", offers, True, "for text that DATA cannot carry unchanged"),
        feature("STARTTLS", offers, needs_login, "protects the login" if needs_login else login),
        feature("AUTH", offers, needs_login, login),
    ]
