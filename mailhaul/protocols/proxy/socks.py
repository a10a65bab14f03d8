"""SOCKS5 as the client sees it: one connection to a target (RFC 1928), with or without a password
(RFC 1929).

The proxy looks up the name of the target (address type 3).
"""

from __future__ import annotations

from typing import Final

from ..errors import LocalProtocolError, RemoteProtocolError
from ..machine import Tap
from .address import MAX_NAME, Proxy
from .socks_states import Dialogue, login, methods, request, table
from .tunnel import Answer, Connected, NotConnected, Target, TunnelClient

VERSION: Final = 5
LOGIN_VERSION: Final = 1
"""The version of the login, RFC 1929."""
NO_LOGIN: Final = 0
PASSWORD: Final = 2
NO_METHOD: Final = 0xFF
CONNECT: Final = 1
IPV4, NAME, IPV6 = 1, 3, 4
LENGTHS: Final = {IPV4: 4, IPV6: 16}
"""Octets of an address of each type; those of a name stand before it."""
HEAD: Final = 5
"""Octets of the reply to the request up to the first one of its address."""
REFUSALS: Final = {
    1: "it failed for a reason that it does not give",
    2: "its rules do not allow this connection",
    3: "it cannot reach the network of {}",
    4: "it cannot reach {}",
    5: "{} refuses the connection",
    6: "the way to {} is too long (TTL expired)",
    7: "it does not support CONNECT",
    8: "it does not support this type of address",
}
"""What the replies mean (RFC 1928, section 6); ``{}`` is the target."""


class Socks5Client(TunnelClient[Dialogue]):
    """A client that asks a SOCKS5 proxy for one connection.

    Raises LocalProtocolError for a target or a login that SOCKS5 cannot express.
    """

    def __init__(self, proxy: Proxy, target: Target, tap: Tap | None = None) -> None:
        super().__init__(table, tap)
        self._target = target
        self._request = request_for(target)
        self._login = login_of(proxy)
        offered = [NO_LOGIN, PASSWORD] if self._login else [NO_LOGIN]
        self._outbox.put(bytes((VERSION, len(offered), *offered)))

    @property
    def wanted(self) -> int:
        """See TunnelClient."""
        return max(0, self._due() - len(self._input))

    def _due(self) -> int:
        """Return the octets of the reply that is expected, as far as they are known."""
        if self._at(methods, login):
            return 2
        if not self._at(request):
            return 0
        head = self._input.head(HEAD)
        return HEAD if len(head) < HEAD else reply_length(head)

    def _read(self) -> Answer | None:
        if self._at(methods):
            return self._read_method()
        if self._at(login):
            return self._read_verdict()
        return self._read_reply() if self._at(request) else None

    def _read_method(self) -> Answer | None:
        self._check_version()
        if len(self._input) < 2:
            return None
        method = self._input.take(2)[1]
        if method == NO_LOGIN:
            self._dialogue.no_login_wanted()
            self._outbox.put(self._request)
            return self._read()
        if method == PASSWORD and self._login:
            self._dialogue.password_wanted()
            self._outbox.put(self._login)
            return self._read()
        if method != NO_METHOD:
            raise RemoteProtocolError(f"it chose login method {method}, which was not offered")
        self._dialogue.no_method_accepted()
        if self._login:
            return self._end(NotConnected("it accepts no login with user and password"))
        return self._end(NotConnected("it wants a login: give its user in the URL"))

    def _read_verdict(self) -> Answer | None:
        if len(self._input) < 2:
            return None
        status = self._input.take(2)[1]
        # Some proxies answer with the version of SOCKS, which RFC 1929 does not allow: the status
        # decides.
        if status:
            self._dialogue.login_refused()
            return self._end(NotConnected("it refuses user and password"))
        self._dialogue.login_granted()
        self._outbox.put(self._request)
        return self._read()

    def _read_reply(self) -> Answer | None:
        self._check_version()
        head = self._input.head(HEAD)
        if len(head) < HEAD or len(self._input) < reply_length(head):
            return None
        self._input.take(reply_length(head))
        if head[1] == 0:
            self._dialogue.connected()
            return self._end(Connected())
        self._dialogue.not_connected()
        problem = REFUSALS.get(
            head[1], f"it refuses the connection with the unknown code {head[1]}"
        )
        return self._end(NotConnected(problem.format(self._target.host)))

    def _check_version(self) -> None:
        """Refuse what is not SOCKS5 at its first octet: it may be the greeting of a server."""
        first = self._input.head(1)
        if first and first[0] != VERSION:
            raise RemoteProtocolError("it does not speak SOCKS5")

    def _may_echo_secret(self) -> bool:
        return True


def login_of(proxy: Proxy) -> bytes:
    """Return the login message (RFC 1929, section 2), or b"" without a user.

    Raises LocalProtocolError for a password that is too long.
    """
    if not proxy.user:
        return b""
    password = b"" if proxy.password is None else proxy.password.reveal()
    if len(password) > MAX_NAME:
        raise LocalProtocolError(f"the password for a SOCKS5 proxy has more than {MAX_NAME} octets")
    return bytes((LOGIN_VERSION, len(proxy.user))) + proxy.user + bytes((len(password),)) + password


def request_for(target: Target) -> bytes:
    """Return the request for a connection (RFC 1928, section 4). Raises LocalProtocolError."""
    if target.packed:
        kind = IPV4 if len(target.packed) == LENGTHS[IPV4] else IPV6
        address = target.packed
    else:
        name = target.host.encode("ascii", "replace")
        if not name or len(name) > MAX_NAME:
            raise LocalProtocolError(f"a host name for SOCKS5 has 1 to {MAX_NAME} octets")
        kind, address = NAME, bytes((len(name),)) + name
    return bytes((VERSION, CONNECT, 0, kind)) + address + target.port.to_bytes(2)


def reply_length(head: bytes) -> int:
    """Return the length of a reply that begins so (RFC 1928, section 6).

    Raises RemoteProtocolError for an unknown type of address.
    """
    if head[3] == NAME:
        return HEAD + head[4] + 2
    if head[3] not in LENGTHS:
        raise RemoteProtocolError(f"its reply has an address of the unknown type {head[3]}")
    return HEAD - 1 + LENGTHS[head[3]] + 2
