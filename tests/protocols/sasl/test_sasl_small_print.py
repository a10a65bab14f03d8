"""Messages of mechanisms without optional values, and the exact server offers they accept."""

from __future__ import annotations

import pytest

from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.client_mechanisms import External, Plain
from mailhaul.protocols.sasl.client_oauth import OAuthBearer
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.sasl.errors import SaslError
from mailhaul.protocols.sasl.exchange import Challenge, decode_base64
from mailhaul.protocols.sasl.gssapi import Gssapi
from mailhaul.protocols.sasl.server_mechanisms import Accounts, make_server
from mailhaul.protocols.secret import Secret

PASSWORD = Secret(b"sesame")


class Context:
    """A security context that is established at once, and signs with a prefix."""

    complete = True

    def step(self, token: bytes | None) -> bytes | None:
        return b"token"

    def unwrap(self, message: bytes) -> bytes:
        return message.removeprefix(b"signed ")

    def wrap(self, message: bytes) -> bytes:
        return b"signed " + message


def said(response: Secret | None) -> bytes:
    assert response is not None
    return response.reveal()


def test_without_an_authorization_identity_none_is_sent() -> None:
    assert said(Plain(b"joe", PASSWORD).initial_response()) == b"\0joe\0sesame"
    assert said(External().initial_response()) == b""
    gssapi = Gssapi(Context())
    gssapi.initial_response()
    assert said(gssapi.respond(b"signed \x01\0\0\0")) == b"signed \x01\0\0\0"


def test_kerberos_acts_as_the_named_identity() -> None:
    credentials = Credentials(b"joe", ticket=True, act_as=b"ann")
    client = make_client(b"GSSAPI", credentials, nonce=b"n", context=Context())
    assert said(client.initial_response()) == b"token"
    assert said(client.respond(b"signed \x01\0\0\0")) == b"signed \x01\0\0\0ann"


@pytest.mark.parametrize("size", [b"\x01\0\0", b"\0\x01\0", b"\0\0\x01"])
def test_any_nonzero_size_without_a_layer_is_an_error(size: bytes) -> None:
    client = Gssapi(Context())
    client.initial_response()
    with pytest.raises(SaslError, match="no security layer, but gives a message size"):
        client.respond(b"signed \x01" + size)


@pytest.mark.parametrize(
    ("host", "port", "where"),
    [
        (b"mail.example", 993, b"\1host=mail.example\1port=993\1auth="),
        (b"mail.example", None, b"\1host=mail.example\1auth="),
        (b"", None, b",\1auth="),
    ],
)
def test_a_bearer_message_names_the_known_host_and_port(
    host: bytes, port: int | None, where: bytes
) -> None:
    client = OAuthBearer(b"joe", Secret(b"token"), host, port)
    assert where in said(client.initial_response())
    assert said(OAuthBearer(b"joe", Secret(b"token")).initial_response()).startswith(
        b"n,a=joe,\1auth="
    )


def test_there_is_no_reason_before_a_bearer_is_refused() -> None:
    client = OAuthBearer(b"joe", Secret(b"token"))
    assert (client.status, client.scope) == (b"", b"")


def salt_for(user: bytes) -> bytes:
    server = make_server(b"SCRAM-SHA-256", Accounts(decoy=Secret(b"d")), nonce=b"ours")
    assert server is not None
    verdict = server.start(Secret(b"n,,n=%b,r=theirs" % user))
    assert isinstance(verdict, Challenge)
    return decode_base64(verdict.data.split(b",")[1].removeprefix(b"s="))


def test_an_unknown_user_has_a_stable_and_unique_salt() -> None:
    assert salt_for(b"nobody") == salt_for(b"nobody")
    assert salt_for(b"nobody") != salt_for(b"noone")
    assert len(salt_for(b"nobody")) == 16
