"""A plain OAuth client: gets tokens from the issuer by each grant, for tests of other parts."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .issuer import CODE, DESKTOP, DEVICE, REFRESH, SERVICE, Issuer, secret_of
from .web_user import WebUser

REDIRECT = "http://127.0.0.1:49152/"
"""Where the browser is sent to with the code. Nobody listens; the URL alone is looked at."""


@dataclass(frozen=True)
class Answer:
    """The answer of one endpoint."""

    status: int
    headers: Mapping[str, str]
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> str:
        return str(self.values[name])


class IssuerClient:
    """Speaks to an issuer for a client without a secret, unless the call names another."""

    def __init__(self, issuer: Issuer, authority: Path) -> None:
        self._issuer = issuer
        self._authority = authority
        self._context = ssl.create_default_context(cafile=str(authority))
        self._endpoints: Mapping[str, Any] = {}

    def endpoint(self, name: str) -> str:
        """Return an endpoint's URL from the issuer's metadata."""
        if not self._endpoints:
            self._endpoints = self.request("GET", self._issuer.metadata).values
        return str(self._endpoints[f"{name}_endpoint"])

    def request(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """Send one request and return its answer, which must be JSON or empty."""
        parts = urlsplit(url)
        connection = http.client.HTTPSConnection(
            "localhost", parts.port, timeout=15, context=self._context
        )
        headers = {"Accept": "application/json"}
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if basic is not None:
            pair = base64.b64encode(":".join(basic).encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        try:
            body = None if fields is None else urlencode(fields)
            connection.request(method, f"{parts.path}?{parts.query}", body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return Answer(response.status, dict(response.headers), json.loads(text or b"{}"))

    def token(self, grant: str, client: str = DESKTOP, **fields: str) -> Answer:
        """Ask the token endpoint."""
        given = {"grant_type": grant, "client_id": client, **fields}
        if client != DESKTOP:
            given["client_secret"] = secret_of(client)
        return self.request("POST", self.endpoint("token"), given)

    def code_url(self, verifier: str, client: str = DESKTOP, redirect: str = REDIRECT) -> str:
        """Return where a user's browser begins (RFC 6749, 4.1.1; RFC 7636, 4.3)."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": redirect,
            "scope": "mail",
            "state": "of-the-test",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.endpoint('authorization')}?{urlencode(query)}"

    def by_code(self, user: str, client: str = DESKTOP) -> Answer:
        """Let a user sign in and consent, and exchange the code."""
        verifier = secrets.token_urlsafe(32)
        web = WebUser(self._authority)
        page = web.sign_in(self.code_url(verifier, client), user, self._issuer.password)
        answer = dict(parse_qsl(urlsplit(page.url).query))
        assert answer["state"] == "of-the-test"
        fields = {"redirect_uri": REDIRECT, "code_verifier": verifier}
        return self.token(CODE, client, code=answer["code"], **fields)

    def begin_device(self) -> Answer:
        """Ask for a device code (RFC 8628, 3.1)."""
        fields = {"client_id": DESKTOP, "scope": "mail"}
        return self.request("POST", self.endpoint("device_authorization"), fields)

    def by_device(self, user: str) -> Answer:
        """Let a user approve a device, and fetch its token."""
        begun = self.begin_device()
        web = WebUser(self._authority)
        web.sign_in(begun["verification_uri_complete"], user, self._issuer.password)
        return self.token(DEVICE, device_code=begun["device_code"])

    def by_credentials(self) -> Answer:
        """Get a token for the service itself."""
        fields = {"grant_type": "client_credentials", "scope": "mail"}
        basic = (SERVICE, secret_of(SERVICE))
        return self.request("POST", self.endpoint("token"), fields, basic)

    def refresh(self, token: str, client: str = DESKTOP) -> Answer:
        """Exchange a refresh token."""
        return self.token(REFRESH, client, refresh_token=token)

    def revoke(self, token: str) -> Answer:
        """Revoke a token (RFC 7009)."""
        fields = {"token": token, "client_id": DESKTOP}
        return self.request("POST", self.endpoint("revocation"), fields)
