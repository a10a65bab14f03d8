"""How a server is reached, from an account's settings: address, TLS, trust."""

from __future__ import annotations

import os

from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Address, Pipe, Tcp, Trust
from ...protocols.machine import Trace
from ..config.options import SSL_MODES, SSLPROTO
from ..config.settings import AccountSettings
from ..files import AUTHORITIES, refuse_special_files
from .access import Access, TlsMode

VERSIONS = {
    # Without a version of their own: the oldest that is allowed otherwise, and the newest.
    **dict.fromkeys(("", "auto", "ssl23", "ssl3+"), (None, None)),
    "tls1": ("tls1", "tls1"),
    "tls1+": ("tls1", None),
    "tls1.1": ("tls1.1", "tls1.1"),
    "tls1.1+": ("tls1.1", None),
    "tls1.2": ("tls1.2", "tls1.2"),
    "tls1.2+": ("tls1.2", None),
    "tls1.3": ("tls1.3", "tls1.3"),
    "tls1.3+": ("tls1.3", None),
}
"""What ``sslproto`` means: the oldest and the newest version of TLS. SSL 3 alone means nothing."""

TLS_MODES: dict[str, TlsMode] = dict(
    zip(
        SSL_MODES,
        (TlsMode.NEVER, TlsMode.WRAPPED, TlsMode.OFFERED, TlsMode.REQUIRED),
        strict=True,
    )
)


def tls_mode(settings: AccountSettings) -> TlsMode:
    """Return how ``ssl``, ``sslproto``, ``sslcertck`` and ``sslfingerprint`` add up.

    ``sslmode`` says it in one word, and wins.
    """
    if settings.sslmode is not None:
        return TLS_MODES[settings.sslmode]
    if settings.ssl:
        return TlsMode.WRAPPED
    if settings.sslproto == "":
        return TlsMode.NEVER
    if settings.sslproto is None and not (settings.sslcertck or settings.sslfingerprint):
        return TlsMode.OFFERED
    return TlsMode.REQUIRED


def trust_of(settings: AccountSettings) -> Trust:
    """Return whom to believe over TLS. Raises PollFailed (SOCKET) for a version nobody speaks."""
    word = SSLPROTO.choice(settings.sslproto or "") or SSLPROTO.fallback
    if word not in VERSIONS:
        raise PollFailed(
            ExitCode.SOCKET,
            f'{settings.place("sslproto")}: no TLS library speaks sslproto "{word}" any more; '
            f'use "{word}+" or "{SSLPROTO.fallback}"',
        )
    files = (settings.sslcertfile, settings.sslcert, settings.sslkey)
    refuse_odd_certificates(*files)
    minimum, maximum = VERSIONS[word]
    return Trust(
        hostname=settings.sslcommonname or settings.host,
        verify=settings.sslcertck,
        ca_file=settings.sslcertfile,
        ca_path=settings.sslcertpath,
        certificate=settings.sslcert,
        key=settings.sslkey,
        minimum=minimum,
        maximum=maximum,
        fingerprint=settings.sslfingerprint,
    )


def refuse_odd_certificates(*paths: str | None) -> None:
    """Raise PollFailed (SOCKET) for a device or the like, which the TLS library would read."""
    try:
        refuse_special_files([*paths, os.environ.get("SSL_CERT_FILE")], AUTHORITIES)
    except OSError as error:
        problem = f"cannot load {error.filename}: {error.strerror}"
        raise PollFailed(ExitCode.SOCKET, problem) from None


def command_words(command: str, host: str, port: str, option: str) -> tuple[str, ...]:
    """Split a plugin string as fetchmail does: at white space, without a shell.

    Raises PollFailed (SOCKET) for an empty one.
    """
    words = command.replace("%h", host).replace("%p", port).split()
    if not words:
        raise PollFailed(
            ExitCode.SOCKET, f"{option} for host {host} service {port} is empty, cannot run!"
        )
    return tuple(words)


def access_of(settings: AccountSettings, trace: Trace | None) -> Access:
    """Return how to reach an account."""
    address: Address = Tcp(settings.host, settings.port)
    if settings.plugin is not None:
        service = settings.service or f"{settings.kind.family}{'s' if settings.wrapped else ''}"
        words = command_words(settings.plugin, settings.host, str(service), "plugin")
        address = Pipe(words)
    return Access(
        peer=settings.host,
        address=address,
        user=settings.remote_user,
        password=settings.password,
        tls=tls_mode(settings),
        trust=trust_of(settings),
        preauth=settings.auth == "ssh",
        tls_asked=settings.ssl or bool(settings.sslproto) or tls_in_one_word(settings),
        timeout=float(settings.timeout),
        trace=trace,
        auth=settings.auth,
    )


def tls_in_one_word(settings: AccountSettings) -> bool:
    """Whether ``sslmode`` demands TLS by name."""
    return settings.sslmode in {"wrapped", "starttls=must"}
