"""Derive address, TLS mode and trust from the settings of an account."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Address, Pipe, Tcp, Trust
from ...protocols.machine import Tap
from ..config.options import SSL_MODES, SSLPROTO
from ..config.settings import AccountSettings
from ..files import AUTHORITIES, refuse_special_files
from .access import Access, NoteRest, TlsMode, TokenSource

if TYPE_CHECKING:
    from ...protocols.proxy.address import Proxy

VERSIONS = {
    # These values set no limit: TLS versions from the default minimum to the newest are allowed.
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
"""The oldest and newest TLS version for each value of ``sslproto``. SSL 3 is not supported."""

TLS_MODES: dict[str, TlsMode] = dict(
    zip(
        SSL_MODES,
        (TlsMode.NEVER, TlsMode.WRAPPED, TlsMode.OFFERED, TlsMode.REQUIRED),
        strict=True,
    )
)


def tls_mode(settings: AccountSettings) -> TlsMode:
    """Return the TLS mode. ``sslmode``, if it is set, overrides all other options.

    Otherwise it follows from ``ssl``, ``sslproto``, ``sslcertck`` and ``sslfingerprint``.
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


def asks_for_tls(settings: AccountSettings) -> bool:
    """Whether the user has asked for TLS, so that a PREAUTH greeting must not prevent it."""
    return settings.ssl or bool(settings.sslproto) or tls_in_one_word(settings)


def trust_of(settings: AccountSettings) -> Trust:
    """Return the TLS parameters: versions, certificates and keys.

    Raises PollFailed (SOCKET) for a protocol version without support, or an unsuitable file.
    """
    word = SSLPROTO.choice(settings.sslproto or "") or SSLPROTO.fallback
    if word not in VERSIONS:
        raise PollFailed(
            ExitCode.SOCKET,
            f'{settings.place("sslproto")}: TLS libraries no longer support sslproto "{word}"; '
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
    """Raise PollFailed (SOCKET) for a special file, such as a device, as a certificate file."""
    try:
        refuse_special_files([*paths, os.environ.get("SSL_CERT_FILE")], AUTHORITIES)
    except OSError as error:
        problem = f"cannot load {error.filename}: {error.strerror}"
        raise PollFailed(ExitCode.SOCKET, problem) from None


def command_words(command: str, host: str, port: str, option: str) -> tuple[str, ...]:
    """Split a plugin command at white space, without a shell, as fetchmail does.

    Raises PollFailed (SOCKET) if it is empty.
    """
    words = command.replace("%h", host).replace("%p", port).split()
    if not words:
        raise PollFailed(
            ExitCode.SOCKET, f"{option} for host {host} service {port} is empty, cannot run!"
        )
    return tuple(words)


def address_of(settings: AccountSettings) -> Address:
    """Return the address of the server of an account. Raises PollFailed (SOCKET)."""
    if settings.plugin is None:
        return tcp_to_server(settings, settings.host, settings.port)
    service = settings.service or f"{settings.kind.family}{'s' if settings.wrapped else ''}"
    return Pipe(command_words(settings.plugin, settings.host, str(service), "plugin"))


def tcp_to_server(settings: AccountSettings, host: str, port: int | str) -> Tcp:
    """Return the address of a server of this account. Raises PollFailed (SYNTAX)."""
    if settings.proxy is None:
        return Tcp(host, port, None, settings.bindaddress)
    return Tcp(host, port, proxy_of(settings, "proxy"), settings.bindaddress)


def tcp_to_listener(settings: AccountSettings, host: str, port: int | str) -> Tcp:
    """Return the address of a listener of this account. Raises PollFailed (SYNTAX)."""
    if settings.proxyout is None:
        return Tcp(host, port, None, settings.bindaddressout)
    return Tcp(host, port, proxy_of(settings, "proxyout"), settings.bindaddressout)


def proxy_of(settings: AccountSettings, option: str) -> Proxy:
    """Return the proxy that this option names, with its password. Raises PollFailed (SYNTAX)."""
    from ...protocols.proxy.address import BadProxy, parse_proxy
    from ...protocols.record import replace

    try:
        proxy = parse_proxy(getattr(settings, option))
    except BadProxy as fault:
        raise PollFailed(ExitCode.SYNTAX, f"{settings.place(option)}: {option}: {fault}") from None
    secret = getattr(settings, f"{option}password")
    return proxy if secret is None else replace(proxy, password=secret)


def access_of(
    settings: AccountSettings,
    tap: Tap | None,
    tokens: TokenSource | None = None,
    note_rest: NoteRest | None = None,
    *,
    read_only: bool = False,
) -> Access:
    """Return what is needed to log in to an account. Raises PollFailed (SOCKET, SYNTAX).

    ``tokens`` are for ``auth oauth``; ``note_rest`` is called when the server wants a rest. With
    ``read_only`` nothing can be changed at the server.
    """
    return Access(
        peer=settings.host,
        address=address_of(settings),
        user=settings.remote_user,
        # A password that is there too must not be sent as a token.
        password=None if tokens else settings.password,
        tls=tls_mode(settings),
        trust=trust_of(settings),
        preauth=settings.auth == "ssh",
        tls_asked=asks_for_tls(settings),
        timeout=float(settings.timeout),
        tap=tap,
        auth=settings.auth,
        tokens=tokens,
        note_rest=note_rest,
        read_only=read_only,
    )


def tls_in_one_word(settings: AccountSettings) -> bool:
    """Whether the value of ``sslmode`` requires TLS."""
    return settings.sslmode in {"wrapped", "starttls=must"}
