"""The requests for tokens, and the answers to them: RFC 6749, 7009, 7523."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.http import HttpResponse
from mailhaul.protocols.oauth import client as oauth
from mailhaul.protocols.oauth.results import (
    ConsentNeeded,
    Denied,
    Expired,
    Misconfigured,
    Revoked,
    Tokens,
    TryLater,
)
from mailhaul.protocols.record import replace
from mailhaul.protocols.secret import Secret

from .samples import CONFIDENTIAL, PUBLIC, SCOPE, SERVER, answer, granted, parameters

TOKEN = Secret(b"1//refresh+token/=")
REFRESH = oauth.refresh(SERVER, PUBLIC, TOKEN)


def test_a_refresh_sends_the_token_and_the_client() -> None:
    assert (REFRESH.method, REFRESH.url) == ("POST", SERVER.token)
    assert ("Content-Type", "application/x-www-form-urlencoded") in REFRESH.fields
    assert parameters(REFRESH) == {
        "grant_type": "refresh_token",
        "refresh_token": "1//refresh+token/=",
        "client_id": "mailhaul-id",
    }


def test_a_secret_goes_into_the_header_unless_the_server_wants_it_elsewhere() -> None:
    request = oauth.refresh(SERVER, CONFIDENTIAL, TOKEN)
    basic = dict(request.fields)["Authorization"].removeprefix("Basic ")
    # RFC 6749, 2.3.1: both are encoded first, or the colon would be taken for the separator.
    assert b64decode(basic) == b"mailhaul-id:client%3As%25cret"
    assert "client_secret" not in parameters(request)
    wants_post = replace(SERVER, client_methods=("client_secret_post",))
    request = oauth.refresh(wants_post, CONFIDENTIAL, TOKEN)
    assert "Authorization" not in dict(request.fields)
    assert parameters(request)["client_secret"] == "client:s%cret"
    assert parameters(request)["client_id"] == "mailhaul-id"


def test_an_assertion_takes_the_place_of_a_secret() -> None:
    client = oauth.Registration("mailhaul-id", Secret(b"unused"), Secret(b"a.b.c"))
    request = oauth.client_credentials(SERVER, client, ("https://x/.default",))
    assert parameters(request) == {
        "grant_type": "client_credentials",
        "scope": "https://x/.default",
        "client_id": "mailhaul-id",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "a.b.c",
    }


def test_client_credentials_need_something_that_proves_the_client() -> None:
    with pytest.raises(LocalProtocolError, match="secret or a certificate"):
        oauth.client_credentials(SERVER, PUBLIC, SCOPE)


def test_a_service_account_sends_its_assertion_and_no_client() -> None:
    request = oauth.service_account(SERVER, Secret(b"a.b.c"))
    assert parameters(request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "a.b.c",
    }


def test_a_code_is_sent_with_its_verifier_and_the_same_redirect() -> None:
    request = oauth.exchange_code(
        SERVER, PUBLIC, Secret(b"4/code"), Secret(b"verifier"), "http://127.0.0.1:4711/"
    )
    assert parameters(request) == {
        "grant_type": "authorization_code",
        "code": "4/code",
        "redirect_uri": "http://127.0.0.1:4711/",
        "code_verifier": "verifier",
        "client_id": "mailhaul-id",
    }


def test_a_revocation_goes_to_its_own_endpoint() -> None:
    request = oauth.revoke(SERVER, CONFIDENTIAL, TOKEN)
    assert request.url == SERVER.revocation
    assert parameters(request) == {
        "token": "1//refresh+token/=",
        "token_type_hint": "refresh_token",
    }
    with pytest.raises(LocalProtocolError, match="cannot revoke"):
        oauth.revoke(replace(SERVER, revocation=""), PUBLIC, TOKEN)


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (HttpResponse(200), Revoked()),
        (answer(400, error="invalid_token"), Revoked()),
        (answer(400, error="unsupported_token_type"), Misconfigured("unsupported_token_type")),
        (HttpResponse(503, (("retry-after", "9"),)), TryLater("HTTP status 503", "", 9)),
    ],
)
def test_the_answer_to_a_revocation(response: HttpResponse, result: object) -> None:
    assert oauth.read_revocation(oauth.revoke(SERVER, PUBLIC, TOKEN), response) == result


def test_no_secret_is_shown_by_a_request() -> None:
    for client in (PUBLIC, CONFIDENTIAL):
        shown = repr(oauth.refresh(SERVER, client, TOKEN)) + repr(client)
        assert "refresh+token" not in shown
        assert "s%cret" not in shown


# Answers


def test_tokens_are_read() -> None:
    tokens = oauth.read_tokens(REFRESH, granted(scope="imap smtp"), SCOPE)
    assert isinstance(tokens, Tokens)
    assert tokens.access_token.reveal() == b"the-access-token"
    assert tokens.refresh_token
    assert tokens.refresh_token.reveal() == b"the-refresh-token"
    assert (tokens.expires_in, tokens.scope) == (3600, ("imap", "smtp"))
    assert "the-" not in repr(tokens)


def test_what_an_answer_leaves_out_is_as_before() -> None:
    tokens = oauth.read_tokens(REFRESH, granted(refresh_token=None, expires_in=None), SCOPE)
    assert isinstance(tokens, Tokens)
    assert (tokens.refresh_token, tokens.expires_in, tokens.scope) == (None, None, SCOPE)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3599", 3599),
        (3599.9, 3599),
        (-5, 0),
        (10**12, oauth.MAX_EXPIRY),
        (10**30, None),
        (float("nan"), None),
        (float("inf"), None),
        ("soon", None),
        (True, None),
        ([1], None),
    ],
)
def test_a_lifetime_is_a_number_within_reason(value: Any, seconds: int | None) -> None:
    tokens = oauth.read_tokens(REFRESH, granted(expires_in=value))
    assert isinstance(tokens, Tokens)
    assert tokens.expires_in == seconds


@pytest.mark.parametrize("kind", ["bearer", "BEARER", "Bearer"])
def test_the_type_of_a_token_has_no_case(kind: str) -> None:
    assert isinstance(oauth.read_tokens(REFRESH, granted(token_type=kind)), Tokens)


@pytest.mark.parametrize("kind", ["mac", "", "DPoP", "the-access-token"])
def test_a_token_of_another_type_is_not_used(kind: str) -> None:
    refused = oauth.read_tokens(REFRESH, granted(token_type=kind))
    assert isinstance(refused, Misconfigured)
    assert "the-access-token" not in str(refused)


@pytest.mark.parametrize("token", ["", "with space", "with\nline", "ü", 7, "x" * 70_000])
@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_a_token_that_cannot_be_sent_is_none(name: str, token: Any) -> None:
    refused = oauth.read_tokens(REFRESH, granted(**{name: token}))
    if name == "refresh_token" and token in {"", 7}:
        assert isinstance(refused, Tokens)
    else:
        assert isinstance(refused, TryLater)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "invalid_grant", ConsentNeeded),
        (400, "interaction_required", ConsentNeeded),
        (400, "invalid_client", Misconfigured),
        (401, "invalid_client", Misconfigured),
        (400, "unauthorized_client", Misconfigured),
        (400, "invalid_scope", Misconfigured),
        (400, "invalid_request", Misconfigured),
        (400, "unsupported_grant_type", Misconfigured),
        (400, "something_new", Misconfigured),
        (400, "access_denied", Denied),
        (400, "expired_token", Expired),
        (400, "temporarily_unavailable", TryLater),
        (500, "server_error", TryLater),
        (503, "invalid_grant", TryLater),
        (429, "invalid_grant", TryLater),
        (200, "invalid_grant", ConsentNeeded),
    ],
)
def test_each_error_code_has_its_kind(status: int, error: str, kind: type) -> None:
    refused = oauth.read_tokens(REFRESH, answer(status, error=error, error_description="so it is"))
    assert type(refused) is kind
    assert str(refused) == f"{error}: so it is"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("65001", ConsentNeeded),
        ("700082", ConsentNeeded),
        ("7000215", Misconfigured),
        ("700016", Misconfigured),
        ("50196", TryLater),
    ],
)
def test_microsoft_says_by_a_number_what_an_invalid_grant_is(number: str, kind: type) -> None:
    words = f"AADSTS{number}: The thing. Trace ID: 1 Correlation ID: 2"
    refused = oauth.read_tokens(
        REFRESH, answer(400, error="invalid_grant", error_description=words)
    )
    assert type(refused) is kind


HTML = ("content-type", "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (
            HttpResponse(200, (HTML,), b"<html>Welcome to the hotel"),
            TryLater("HTTP status 200", "the answer is not what was asked for (text/html)"),
        ),
        (
            HttpResponse(502, (HTML,), b"<style>p{}</style><h1>Bad&nbsp;gateway</h1>\n<p>nginx"),
            TryLater("HTTP status 502", "Bad&nbsp;gateway nginx"),
        ),
        (
            HttpResponse(429, (("retry-after", "30"),), b"slow down"),
            TryLater("HTTP status 429", "slow down", 30),
        ),
        (HttpResponse(404, (HTML,), b"<b>nothing"), Misconfigured("HTTP status 404", "nothing")),
        (
            HttpResponse(302, (("location", "https://evil.example"),)),
            Misconfigured("HTTP status 302", "a redirect, which is not followed"),
        ),
        (HttpResponse(400, (), b"{"), Misconfigured("HTTP status 400", "{")),
        (
            HttpResponse(400, (), b"[" * 100_000),
            Misconfigured("HTTP status 400", "[" * 297 + "..."),
        ),
        (HttpResponse(500, (), b""), TryLater("HTTP status 500")),
    ],
)
def test_what_is_no_answer_of_oauth(response: HttpResponse, result: object) -> None:
    assert oauth.read_tokens(REFRESH, response) == result


SECRETS = [b"1//refresh+token/=", b"1%2F%2Frefresh%2Btoken%2F%3D", b"client:s%cret"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", [0, 1150, 1190, 290])
def test_the_words_of_a_server_show_no_secret(secret: bytes, before: int) -> None:
    request = oauth.refresh(SERVER, CONFIDENTIAL, TOKEN)
    words = "x" * before + secret.decode() + " was sent"
    for refused in (
        oauth.read_tokens(request, answer(400, error=words, error_description="")),
        oauth.read_tokens(request, answer(400, error="invalid_grant", error_description=words)),
        oauth.read_tokens(request, HttpResponse(400, (), words.encode())),
    ):
        assert not isinstance(refused, Tokens)
        shown = str(refused)
        assert len(shown) < 700
        for part in (secret.decode(), secret.decode()[:10], "refresh", "s%cret"):
            assert part not in shown


def test_the_words_of_a_server_are_one_printable_line() -> None:
    words = "one\r\ntwo\x1b[31m three\u202e\u0000"
    refused = oauth.read_tokens(
        REFRESH, answer(400, error="invalid_grant", error_description=words)
    )
    assert str(refused) == "invalid_grant: one two [31m three"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
names = st.sampled_from(
    ["access_token", "refresh_token", "token_type", "expires_in", "scope", "error"]
)


@given(
    st.integers(200, 599),
    st.binary() | st.dictionaries(names, json_values).map(lambda d: json.dumps(d).encode()),
)
def test_any_answer_is_tokens_or_a_refusal(status: int, body: bytes) -> None:
    result = oauth.read_tokens(REFRESH, HttpResponse(status, (), body))
    kinds = Tokens | ConsentNeeded | TryLater | Misconfigured | Denied | Expired
    assert isinstance(result, kinds)
    if not isinstance(result, Tokens):
        assert len(str(result)) < 700
