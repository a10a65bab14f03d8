"""Make the sink for the listeners of ``smtphost``: addresses, SMTP or LMTP, and the login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ...flows.host_names import name_in_mail
from ...flows.sink import Sink
from ...protocols.sasl.credentials import Credentials
from ..config.secret_table import way_of
from ..config.settings import AccountSettings
from ..login.access import TokenSource
from .kinds import SinkOrder
from .listeners import domain_of, listener_address
from .smtp import SmtpSink
from .smtp_connection import Listener


def make(order: SinkOrder) -> Sink:
    """Return the sink for the listeners of an account, which are tried in order.

    Raises PollFailed (SOCKET) for an empty ``plugout``.
    """
    settings = order.settings
    listeners = [
        Listener(host, *listener_address(settings, host), domain_of(host))
        for host in order.value.split()
    ]
    tap = order.tap_for("LMTP" if listeners[0].lmtp else "SMTP")
    helo = name_in_mail(settings.host) if order.invisible else order.hostname
    credentials = credentials_of(order)

    def sink_for(some: Sequence[Listener]) -> SmtpSink:
        timeout = float(settings.timeout)
        if settings.esmtpauth != "oauth":
            return SmtpSink(some, helo, timeout, tap, credentials, settings.batchlimit)
        # Each with its own: a source of tokens is for one connection at a time.
        tokens = tokens_by_listener(order)
        held = credentials_with_token(settings, tokens)
        return SmtpSink(some, helo, timeout, tap, held, settings.batchlimit, tokens)

    first = sink_for(listeners)
    if settings.smtpparallel <= 1:
        return first
    from .smtp_parallel import ParallelSmtpSink  # few accounts use it

    folder = order.spool_folder
    return ParallelSmtpSink(first, lambda one: sink_for([one]), settings.smtpparallel, folder)


def tokens_by_listener(order: SinkOrder) -> Callable[[str], TokenSource]:
    """Return a function that returns the source of tokens for a listener."""
    known: dict[str, TokenSource] = {}

    def tokens_for(listener: str) -> TokenSource:
        if listener not in known:
            known[listener] = order.tokens_for("smtp", order.settings.esmtpname, listener)
        return known[listener]

    return tokens_for


def credentials_with_token(
    settings: AccountSettings, tokens: Callable[[str], TokenSource]
) -> Callable[[str], Awaitable[Credentials | None]]:
    """Return a function that gets the token for each connection."""
    name = settings.esmtpname.encode("utf-8", "surrogateescape")

    async def credentials_for(listener: str) -> Credentials | None:
        return Credentials(name, token=await tokens(listener).token())

    return credentials_for


def credentials_of(order: SinkOrder) -> Callable[[str], Awaitable[Credentials | None]] | None:
    """Return a function that reads the credentials for a listener; None for no login.

    Without a password in the rc file, .netrc may have it if the user chose an ``esmtpname``.
    """
    settings = order.settings
    name = settings.esmtpname.encode("utf-8", "surrogateescape")

    async def credentials_for(listener: str) -> Credentials | None:
        password = settings.esmtppassword
        if password is None:
            password = await order.read_secret("esmtppassword", listener.partition("/")[0])
        return None if password is None else Credentials(name, password)

    chosen = settings.esmtppassword is not None or settings.chose("esmtpname")
    return credentials_for if chosen or way_of(settings, "esmtppassword") else None
