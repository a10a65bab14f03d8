"""A private OAuth 2.0 and OpenID issuer, with what a test does to it from outside.

Any user name exists, all with one password. Every grant goes through the issuer's own endpoints
and pages, over TLS; ``grants``, ``revoke``, ``fail`` and the others use a control port beside it.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .certificates import Certificate
from .node import ISSUER_MODULES, script_argv
from .process import free_ports, running

PASSWORD = "correct-horse"
CODE = "authorization_code"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH = "refresh_token"

DESKTOP = "desktop"
"""A program on a user's machine: no secret, PKCE, the device flow."""
DESKTOP_WITH_SECRET = "desktop-with-secret"
"""The same with a secret that is none, as Google gives them out. The secret follows the name."""
SERVICE = "service"
"""A client that acts for itself, as the user of this name."""
INTROSPECTOR = "dovecot"
"""The one client that may introspect tokens."""

# For a native client the issuer takes any port here (RFC 8252, 7.3), but no other path.
LOOPBACK = [
    f"http://{host}/{path}"
    for host in ("127.0.0.1", "[::1]", "localhost")
    for path in ("", "callback")
]


def secret_of(client: str) -> str:
    """Return the secret of a client that has one."""
    return f"secret-of-{client}"


def _client(name: str, method: str, *grants: str) -> dict[str, Any]:
    interactive = CODE in grants
    return {
        "client_id": name,
        "token_endpoint_auth_method": method,
        "grant_types": grants,
        "redirect_uris": LOOPBACK if interactive else [],
        "response_types": ["code"] if interactive else [],
        "application_type": "native" if interactive else "web",
        **({"scope": "openid offline_access mail"} if grants else {}),
        **({} if method == "none" else {"client_secret": secret_of(name)}),
    }


CLIENTS = [
    _client(DESKTOP, "none", CODE, REFRESH, DEVICE),
    _client(DESKTOP_WITH_SECRET, "client_secret_post", CODE, REFRESH, DEVICE),
    _client(SERVICE, "client_secret_basic", "client_credentials"),
    _client(INTROSPECTOR, "client_secret_basic"),
]


class Issuer:
    """Where the issuer listens, and its controls.

    ``url`` is its name; ``metadata`` is where it describes itself (OpenID Connect Discovery, 4).
    """

    password = PASSWORD

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        folder.mkdir()
        self.port, self._control_port = free_ports(2)
        self.url = f"https://localhost:{self.port}"
        self.metadata = f"{self.url}/.well-known/openid-configuration"
        self.log_file = folder / "log"
        self._configuration = folder / "issuer.json"
        self._configuration.write_text(
            json.dumps(
                {
                    "issuer": self.url,
                    "control_port": self._control_port,
                    "chain": str(certificate.chain),
                    "key": str(certificate.key),
                    "password": PASSWORD,
                    "clients": CLIENTS,
                }
            )
        )

    @contextmanager
    def running(self) -> Generator[None]:
        """Serve until the block ends."""
        words = (self.port, str(self._configuration))
        argv = script_argv("issuer.js", *words, modules=ISSUER_MODULES)
        with running(argv, output=self.log_file, ports=[self._control_port, self.port]):
            yield

    def counts(self) -> Mapping[str, int]:
        """Return how many requests came to each endpoint since ``clear``.

        The endpoints are called as in the metadata, without "_endpoint": token, authorization,
        device_authorization, introspection, revocation; also discovery, jwks, verification (of
        a device's code) and page.
        """
        counts: Mapping[str, int] = self._control("GET", "/counts")
        return counts

    def clear(self) -> None:
        """Forget the counts and the faults, and restore the settings and the clock."""
        self._control("POST", "/clear")

    def fail(
        self,
        status: int = 0,
        *,
        endpoint: str = "token",
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        body: str = "",
        delay: float = 0.0,
        late: float = 0.0,
        lost: bool = False,
    ) -> None:
        """Let the next requests to an endpoint fail; faults of one endpoint come one by one.

        ``status`` with ``headers`` and ``body`` is the answer in place of the issuer's, a good one
        too; ``delay`` is in seconds before anything is done, and ``late`` in seconds from then to
        the answer; with ``lost`` the request is obeyed and the connection is closed unanswered.
        """
        fault = {"endpoint": endpoint, "times": times, "status": status, "body": body}
        fault |= {"headers": dict(headers or {}), "delay": delay, "late": late, "lost": lost}
        self._control("POST", "/faults", [fault])

    def clear_faults(self) -> None:
        """Forget the faults that did not come."""
        self._control("DELETE", "/faults")

    def set(self, **settings: float) -> None:
        """Change lifetimes in seconds (``access``, ``code``, ``device``, ``refresh``), the device
        flow's ``interval`` (0: the issuer names none), whether refresh tokens ``rotate``, and for
        how many seconds a used one is taken again (``grace``).
        """
        self._control("POST", "/settings", settings)

    def pass_time(self, seconds: float) -> None:
        """Let the issuer's clock jump."""
        self._control("POST", "/clock", {"seconds": seconds})

    def grants(self, user: str) -> Sequence[Mapping[str, Any]]:
        """Return what a user has granted: id, client, scope, and the kinds of tokens issued."""
        grants: Sequence[Mapping[str, Any]] = self._control("GET", f"/grants?user={quote(user)}")
        return grants

    def revoke(self, user: str) -> None:
        """Revoke all that a user has granted, as on the page of an account's security."""
        self._control("DELETE", f"/grants?user={quote(user)}")

    def log(self) -> str:
        """Return what the issuer wrote so far."""
        return self.log_file.read_text(errors="replace")

    def _control(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=15)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
            assert response.status == 200, (method, path, answer)
            return answer
        finally:
            connection.close()
