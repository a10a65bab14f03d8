"""A small issuer over plain HTTP on the loopback, and a user with a browser."""

from __future__ import annotations

import http.client
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit


class SmallIssuer:
    """Gives codes, tokens and device codes. ``agrees`` is what the user decides."""

    def __init__(self) -> None:
        self.url = ""
        self.agrees = True
        self.valid: set[str] = set()
        self.refresh: set[str] = set()
        self.revoked: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.challenge = ""
        self.count = 0
        self.polls_before_consent = 1
        self.scope = ""
        self.lifetime = 3600
        self.down = False
        self.grace = False
        self.former: set[str] = set()

    def tokens(self) -> dict[str, Any]:
        self.count += 1
        access, refresh = f"access-token-{self.count}", f"refresh-token-{self.count}"
        # With grace the former one is valid until the new one is used, as at most issuers.
        self.former = self.refresh if self.grace else set()
        self.valid = {access}
        self.refresh = {refresh}
        found = {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }
        return {**found, "scope": self.scope} if self.scope else found

    def get(self, path: str, query: dict[str, str]) -> tuple[int, Any, str]:
        if path == "/.well-known/openid-configuration":
            return 200, self.metadata(), ""
        if path == "/auth":
            self.challenge = query["code_challenge"]
            answer = {"state": query["state"], "iss": self.url}
            answer |= {"code": "the-code"} if self.agrees else {"error": "access_denied"}
            return 302, {}, f"{query['redirect_uri']}?{urlencode(answer)}"
        return 404, {}, ""

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
            "revocation_endpoint": f"{self.url}/revoke",
            "scopes_supported": ["openid", "offline_access"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def post(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        self.forms.append(form)
        if self.down:
            return 503, {}
        if path == "/device":
            return 200, {
                "device_code": "the-device-code",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{self.url}/activate",
                "expires_in": 600,
                "interval": 1,
            }
        if path == "/revoke":
            self.revoked.append(form["token"])
            return 200, {}
        match form["grant_type"].rpartition(":")[2]:
            case "authorization_code":
                digest = sha256(form["code_verifier"].encode()).digest()
                challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
                good = form["code"] == "the-code" and challenge == self.challenge
                return (200, self.tokens()) if good else (400, {"error": "invalid_grant"})
            case "device_code":
                self.polls_before_consent -= 1
                pending = self.polls_before_consent >= 0
                return (
                    (400, {"error": "authorization_pending"}) if pending else (200, self.tokens())
                )
            case "refresh_token":
                good = form["refresh_token"] in self.refresh | self.former
                if form["refresh_token"] in self.former:
                    self.refresh = {form["refresh_token"]}
                return (200, self.tokens()) if good else (400, {"error": "invalid_grant"})
            case _:
                return 200, {**self.tokens(), "refresh_token": None}


@contextmanager
def small_issuer() -> Iterator[SmallIssuer]:
    issuer = SmallIssuer()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def answer(self, status: int, document: Any, location: str = "") -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self.answer(*issuer.get(parts.path, flat(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(*issuer.post(self.path, flat(body)))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def visit(address: str) -> tuple[int, str]:
    """Request an address; return the status, and where the browser is sent."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers.get("Location", "")
    finally:
        connection.close()
