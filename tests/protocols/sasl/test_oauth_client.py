"""The client sends bearer tokens and handles the server's error challenge."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.sasl.client_oauth import OAuthBearer, XOAuth2
from mailhaul.protocols.sasl.errors import SaslError
from mailhaul.protocols.secret import Secret

TOKEN = Secret(b"vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==")
GOOGLE_SAYS = b64decode(
    "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9t"
    "YWlsLmdvb2dsZS5jb20vIn0K"
)
RFC_SAYS = (
    b'{"status":"invalid_token","scope":"example_scope",'
    b'"openid-configuration":"https://example.com/.well-known/openid-configuration"}'
)


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        (
            OAuthBearer(b"user@example.com", TOKEN, b"server.example.com", 143),
            b"n,a=user@example.com,\1host=server.example.com\1port=143\1"
            b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==\1\1",
        ),
        (OAuthBearer(b"a=b,c", Secret(b"T")), b"n,a=a=3Db=2Cc,\1auth=Bearer T\1\1"),
        (
            XOAuth2(b"someuser@example.com", Secret(b"ya29." + TOKEN.reveal().rstrip(b"="))),
            b64decode(
                "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52"
                "YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
            ),
        ),
    ],
)
def test_the_token_is_sent_in_the_documented_format(
    mechanism: OAuthBearer | XOAuth2, message: bytes
) -> None:
    first = mechanism.initial_response()
    assert first is not None
    assert first.reveal() == message
    mechanism.finish()


@pytest.mark.parametrize(
    ("mechanism", "answer"), [(OAuthBearer(b"u", TOKEN), b"\1"), (XOAuth2(b"u", TOKEN), b"")]
)
def test_an_error_challenge_is_acknowledged_once(
    mechanism: OAuthBearer | XOAuth2, answer: bytes
) -> None:
    mechanism.initial_response()
    assert mechanism.respond(RFC_SAYS).reveal() == answer
    assert (mechanism.status, mechanism.scope) == (b"invalid_token", b"example_scope")
    with pytest.raises(SaslError):
        mechanism.finish()
    with pytest.raises(SaslError):
        mechanism.respond(RFC_SAYS)


@pytest.mark.parametrize(
    ("news", "status", "scope"),
    [
        (GOOGLE_SAYS, b"401", b"https://mail.google.com/"),
        (b'{ "scope" : "a", "status" : 400 }', b"400", b"a"),
        (b'{"status":"a \\" b"}', b'a \\" b', b""),
        (b'{"status":""}', b"", b""),
        (b"", b"", b""),
        (b"not JSON", b"", b""),
        (b'{"status":"cut', b"", b""),
    ],
)
def test_the_fields_of_the_error_are_kept(news: bytes, status: bytes, scope: bytes) -> None:
    mechanism = XOAuth2(b"u", TOKEN)
    mechanism.initial_response()
    mechanism.respond(news)
    assert (mechanism.status, mechanism.scope) == (status, scope)


@given(st.binary())
def test_any_error_challenge_is_acknowledged(news: bytes) -> None:
    mechanism = OAuthBearer(b"u", TOKEN)
    mechanism.initial_response()
    assert mechanism.respond(news).reveal() == b"\1"


@pytest.mark.parametrize("token", [b"", b"a b", b"a\1b", b"a\n", b"\xc3\xa4", b"\x7f"])
def test_a_token_that_would_end_early_is_not_sent(token: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="token"):
        XOAuth2(b"u", Secret(token))
    with pytest.raises(LocalProtocolError, match="token"):
        OAuthBearer(b"u", Secret(token))


def test_the_separator_is_not_sent_inside_a_name() -> None:
    with pytest.raises(LocalProtocolError):
        XOAuth2(b"u\1auth=Bearer x", TOKEN)
    with pytest.raises(LocalProtocolError):
        OAuthBearer(b"u\1", TOKEN)
    with pytest.raises(LocalProtocolError):
        OAuthBearer(b"u", TOKEN, b"host\1port=1")
