"""The address of a proxy: what a URL of the rc file or of the environment says."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from ..record import Record
from ..secret import Secret

SOCKS5: Final = "socks5"
HTTP: Final = "http"

KINDS: Final = {"socks5": SOCKS5, "socks5h": SOCKS5, "http": HTTP}
"""The schemes of URLs. With ``socks5h``, as curl calls it, the proxy looks names up. So it does
here with both: a name that is looked up at home tells the name service whom you talk to."""
DEFAULT_PORT: Final = 1080
"""The port of a proxy whose URL has none, as in curl; RFC 1928, section 3, for SOCKS5."""
MAX_NAME: Final = 255
"""Octets of a user, a password and a host name over SOCKS5: their length is one octet."""


class BadProxy(ValueError):
    """A text is not the URL of a proxy that can be used. ``str()`` says why, without the text."""


class Proxy(Record):
    """A proxy. ``kind`` is SOCKS5 or HTTP; ``user`` is empty if no login is needed.

    Two of them are equal if they are the same proxy and user, whatever the password is: it may be
    known to one of them only.
    """

    kind: str
    host: str
    port: int
    user: bytes = b""
    password: Secret | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proxy) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    @property
    def _place(self) -> tuple[str, str, int, bytes]:
        return self.kind, self.host, self.port, self.user

    @property
    def name(self) -> str:
        """Its name in messages for the user."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"proxy {host}:{self.port}"


def parse_proxy(text: str) -> Proxy:
    """Return the proxy that a URL names, such as ``socks5://user@proxy.example.org:1080``.

    A text without a scheme is an HTTP proxy, as in curl. Raises BadProxy.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadProxy("it is not the URL of a proxy") from None
    kind = KINDS.get(parts.scheme)
    if kind is None:
        raise BadProxy(
            f"a proxy of the kind {parts.scheme}:// is not supported, only socks5:// and http://"
        )
    if not host or port == 0:
        raise BadProxy("it is not the URL of a proxy")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadProxy("the URL of a proxy ends after the port")
    user = unquote_to_bytes(parts.username or "")
    password = unquote_to_bytes(parts.password) if parts.password else None
    if kind == SOCKS5 and max(len(user), len(password or b"")) > MAX_NAME:
        raise BadProxy(f"user and password of a SOCKS5 proxy have at most {MAX_NAME} octets")
    if b":" in user and kind == HTTP:
        # RFC 7617, section 2: the first colon ends the user.
        raise BadProxy("the user of an HTTP proxy cannot contain a colon")
    secret = None if password is None else Secret(password)
    return Proxy(kind, host, DEFAULT_PORT if port is None else port, user, secret)
