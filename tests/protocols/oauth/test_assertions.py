"""Signed assertions: RFC 7515, 7519 and 7523."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

from mailhaul.protocols.oauth.assertions import Signer, account_assertion, client_assertion
from mailhaul.protocols.secret import Secret

SIGNER = Signer("RS256", lambda data: b"signed " + data[:3], (("kid", "key-1"),))
NOW = 1_796_000_000


def decoded(part: bytes) -> bytes:
    assert b"=" not in part
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def parts(assertion: Secret) -> tuple[Any, Any, bytes]:
    header, claims, signature = assertion.reveal().split(b".")
    return json.loads(decoded(header)), json.loads(decoded(claims)), decoded(signature)


def test_a_service_account_acts_for_a_user() -> None:
    header, claims, signature = parts(
        account_assertion(
            SIGNER, "a@p.example", "joe@x.example", ("s1", "s2"), "https://t.example", NOW
        )
    )
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert signature == b"signed eyJ"
    assert (claims["iss"], claims["sub"]) == ("a@p.example", "joe@x.example")
    assert (claims["scope"], claims["aud"]) == ("s1 s2", "https://t.example")
    # Google: at most an hour, and not from the future of its own clock.
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["iat"] < NOW < claims["exp"]


def test_a_service_account_may_act_for_itself() -> None:
    _, claims, _ = parts(account_assertion(SIGNER, "a", "", ("s",), "https://t.example", NOW))
    assert "sub" not in claims


def test_a_client_proves_itself() -> None:
    _, claims, _ = parts(client_assertion(SIGNER, "id", "https://t.example", NOW, b"\1" * 16))
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("id", "id", "https://t.example")
    assert claims["nbf"] <= NOW < claims["exp"] <= NOW + 600
    _, other, _ = parts(client_assertion(SIGNER, "id", "https://t.example", NOW, b"\2" * 16))
    assert claims["jti"] != other["jti"]
