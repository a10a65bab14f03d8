"""Check how an account reaches its server: TLS, certificates, plugins. Nothing is connected."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ....adapters.config.settings import AccountSettings
from ....adapters.ledger.names import is_loopback
from ....adapters.login.access import TlsMode
from ....adapters.login.reach import asks_for_tls, tls_mode, trust_of
from ....flows.outcome import ExitCode, PollFailed
from ....flows.requests import TlsFailed
from .findings import Finding, error, from_failure, ok, warning
from .sinks import check_command

USE_TLS = 'write "ssl", or "sslmode starttls=must"'
MODES = {
    TlsMode.WRAPPED: "from the first byte",
    TlsMode.REQUIRED: "by STARTTLS",
    TlsMode.OFFERED: "by STARTTLS, if the server offers it",
    TlsMode.NEVER: "not used",
}


def check_reach(settings: AccountSettings) -> Iterator[Finding]:
    """Check TLS and the commands of an account."""
    if settings.kind.collects:
        yield from check_tls(settings)
    for name, is_shell in (
        ("plugin", False),
        ("plugout", False),
        ("preconnect", True),
        ("postconnect", True),
    ):
        command = getattr(settings, name)
        if command is not None:
            place = str(settings.place(name))
            yield from check_command(command, name, name, place, shell=is_shell)


def check_tls(settings: AccountSettings) -> Iterator[Finding]:
    """Check the TLS options: whether the files can be used, and what an attacker could do."""
    mode = tls_mode(settings)
    option = next((n for n in ("sslmode", "ssl", "sslproto") if settings.chose(n)), "ssl")
    place = str(settings.place(option))
    local = settings.plugin is not None or is_loopback(settings.host)
    if mode is not TlsMode.NEVER:
        # ssl is loaded only if it is used.
        from ....runtimes.tls import make_context

        try:
            make_context(trust_of(settings))
        except PollFailed as failure:
            yield from_failure(failure, "tls", "TLS", place, "correct the option")
            return
        except TlsFailed as failure:
            files = ("sslcertfile", "sslcertpath", "sslcert", "sslkey")
            where = next((n for n in files if settings.chose(n)), option)
            hint = "correct the path, or make the file readable"
            at = str(settings.place(where))
            yield error("tls", "TLS", str(failure), at, hint, ExitCode.SOCKET)
            return
    yield from check_key(settings)
    if mode is TlsMode.NEVER and not local:
        text = "it is not used: password and mail cross the network in clear"
        yield warning("tls", "TLS", text, place, USE_TLS)
    elif mode is TlsMode.OFFERED and not local:
        text = "it is used only if the server offers it: an attacker can take the offer away"
        yield warning("tls", "TLS", text, place, USE_TLS)
    elif mode is not TlsMode.NEVER and not (settings.sslcertck or settings.sslfingerprint or local):
        text = "the server's certificate is not verified"
        at = str(settings.place("sslcertck"))
        hint = 'write "sslcertck", or give the certificate\'s "sslfingerprint"'
        yield warning("tls", "TLS", text, at, hint)
    elif settings.auth == "ssh" and not asks_for_tls(settings):
        text = "not needed: the server takes the connection as logged in (PREAUTH)"
        yield ok("tls", "TLS", text, place)
    else:
        yield ok("tls", "TLS", f"{MODES[mode]}{way_in_words(settings)}", place)


def way_in_words(settings: AccountSettings) -> str:
    """Return what carries the connection, if it is not the network; it begins with "; "."""
    if settings.plugin is not None:
        return "; the plugin makes the connection"
    return "; the connection stays on this machine" if is_loopback(settings.host) else ""


def check_key(settings: AccountSettings) -> Iterator[Finding]:
    """Check that nobody else can read the private key."""
    key = settings.sslkey
    if key and os.path.exists(key) and os.stat(key).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        place = str(settings.place("sslkey"))
        yield warning("sslkey", "private key", "other users can read it", place, f"chmod 600 {key}")
