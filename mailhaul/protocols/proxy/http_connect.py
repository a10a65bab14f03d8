"""HTTP CONNECT as the client sees it: a tunnel through an HTTP proxy (RFC 9110, section 9.3.6).

Only the head of the answer is read. A body, which a refusal may have, is left unread: the
connection is closed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from ..errors import LimitExceeded, RemoteProtocolError
from ..machine import Tap
from .address import Proxy
from .http_states import Dialogue, asked, table
from .tunnel import Answer, Connected, NotConnected, Target, TunnelClient

MAX_HEAD: Final = 16 * 1024
"""Octets of the status line and the fields of one answer."""
MAX_INTERIM: Final = 16
"""Interim answers (1xx) before the final one."""
STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
END: Final = re.compile(rb"\n\r?\n")
LOGIN_WANTED: Final = 407
MAX_REASON: Final = 100


class HttpTunnelClient(TunnelClient[Dialogue]):
    """A client that asks an HTTP proxy for a tunnel. ``agent`` is the User-Agent."""

    def __init__(
        self, proxy: Proxy, target: Target, tap: Tap | None = None, *, agent: str = "mailhaul"
    ) -> None:
        super().__init__(table, tap)
        self._target = target
        self._knows_login = bool(proxy.user)
        self._interim = 0
        self._outbox.put(request_for(proxy, target, agent))

    @property
    def wanted(self) -> int:
        """See TunnelClient. The shortest end of a head from here on is one or two line ends."""
        if not self._at(asked):
            return 0
        return 1 if self._input.head(MAX_HEAD + 1)[-1:] in (b"\n", b"\r") else 2

    def _read(self) -> Answer | None:
        if not self._at(asked):
            return None
        seen = self._input.head(MAX_HEAD + 1)
        if not b"HTTP/1.".startswith(seen[:7]):
            raise RemoteProtocolError("it does not speak HTTP/1.1")
        end = END.search(seen)
        if end is None:
            if len(seen) > MAX_HEAD:
                raise LimitExceeded("the head of its answer", MAX_HEAD)
            return None
        status = STATUS.match(seen)
        if status is None:
            raise RemoteProtocolError("its answer is not valid HTTP")
        self._input.take(end.end())
        return self._judge(int(status[1]), status[2] or b"")

    def _judge(self, code: int, reason: bytes) -> Answer | None:
        if code < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise LimitExceeded("the number of interim answers", MAX_INTERIM)
            self._dialogue.interim()
            return self._read()
        if code < 300:
            self._dialogue.connected()
            return self._end(Connected())
        self._dialogue.not_connected()
        if code == LOGIN_WANTED:
            problem = "refuses user and password" if self._knows_login else "wants a login"
            hint = "" if self._knows_login else ": give its user in the URL"
            return self._end(NotConnected(f"it {problem} (HTTP status {code}){hint}"))
        # The words of a proxy that echoes the login must not be shown.
        words = "" if self._knows_login else printable(reason)
        return self._end(
            NotConnected(
                f"it refuses the connection to {self._target.host} (HTTP status {code}"
                f"{' ' if words else ''}{words})"
            )
        )

    def _may_echo_secret(self) -> bool:
        return True


def request_for(proxy: Proxy, target: Target, agent: str) -> bytes:
    """Return the request for a tunnel, with the login if there is one (RFC 7617)."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    place = f"{host}:{target.port}".encode("ascii", "replace")
    lines = [b"CONNECT %b HTTP/1.1" % place, b"Host: " + place]
    lines.append(b"User-Agent: " + agent.encode("ascii", "replace"))
    if proxy.user:
        password = b"" if proxy.password is None else proxy.password.reveal()
        lines.append(b"Proxy-Authorization: Basic " + b64encode(proxy.user + b":" + password))
    return b"\r\n".join([*lines, b"", b""])


def printable(reason: bytes) -> str:
    """Return the words of a status line that can be shown."""
    text = reason[:MAX_REASON].decode("ascii", "replace")
    return "".join(character if character.isprintable() else "?" for character in text).strip()
