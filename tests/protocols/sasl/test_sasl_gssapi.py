"""GSSAPI with a stand-in for the Kerberos library: the order of steps, and the layers."""

from __future__ import annotations

import pytest

from mailhaul.protocols.limits import Limits
from mailhaul.protocols.sasl.errors import SaslError, SaslLimitExceeded
from mailhaul.protocols.sasl.gssapi import ContextFailed, Gssapi


class StandIn:
    """A context that is established after some tokens. Signed messages are in angle brackets."""

    def __init__(self, *tokens: bytes | None) -> None:
        self.heard: list[bytes | None] = []
        self._tokens = list(tokens)

    @property
    def complete(self) -> bool:
        return not self._tokens

    def step(self, token: bytes | None) -> bytes | None:
        if token == b"bad":
            raise ContextFailed("the ticket has expired")
        self.heard.append(token)
        return self._tokens.pop(0)

    def unwrap(self, message: bytes) -> bytes:
        if not message.startswith(b"<"):
            raise ContextFailed("not signed")
        return message[1:-1]

    def wrap(self, message: bytes) -> bytes:
        return b"<%b>" % message


class Endless(StandIn):
    """A context that is never established."""

    @property
    def complete(self) -> bool:
        return False

    def step(self, token: bytes | None) -> bytes | None:
        return b"more"


def standing(act_as: bytes = b"") -> Gssapi:
    gssapi = Gssapi(StandIn(b"ticket"), act_as)
    gssapi.initial_response()
    return gssapi


@pytest.mark.parametrize("last", [b"last", None])
def test_tokens_then_the_choice_of_no_layer(last: bytes | None) -> None:
    context = StandIn(b"ticket", last)
    gssapi = Gssapi(context, b"ann")
    first = gssapi.initial_response()
    assert first is not None
    assert first.reveal() == b"ticket"
    assert gssapi.respond(b"answer").reveal() == (last or b"")
    assert context.heard == [None, b"answer"]
    assert gssapi.respond(b"<\x07\x00\x40\x00>").reveal() == b"<\x01\x00\x00\x00ann>"
    gssapi.finish()


@pytest.mark.parametrize("offer", [b"\x01\0\0\0", b"\x03\0\x10\0", b"\x07\xff\xff\xff"])
def test_no_layer_is_chosen_where_it_is_offered(offer: bytes) -> None:
    gssapi = standing()
    assert gssapi.respond(b"<%b>" % offer).reveal() == b"<\x01\0\0\0>"
    gssapi.finish()


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (b"<\x06\0\x10\0>", "demands a security layer"),
        (b"<\x01\0\x10\0>", "no security layer, but gives a message size"),
        (b"<\x01\0\0>", "four bytes"),
        (b"<\x01\0\0\0\0>", "four bytes"),
        (b"<>", "four bytes"),
        (b"\x01\0\0\0", "not signed"),
    ],
)
def test_an_invalid_offer_is_an_error(message: bytes, problem: str) -> None:
    gssapi = standing()
    with pytest.raises(SaslError, match=problem):
        gssapi.respond(message)
    with pytest.raises(SaslError):
        gssapi.finish()


def test_a_refusal_by_kerberos_is_an_error() -> None:
    gssapi = Gssapi(StandIn(b"ticket", b"more"))
    gssapi.initial_response()
    with pytest.raises(SaslError, match="Kerberos: the ticket has expired"):
        gssapi.respond(b"bad")


def test_success_before_the_choice_of_a_layer_is_an_error() -> None:
    with pytest.raises(SaslError):
        standing().finish()


def test_an_endless_exchange_is_aborted() -> None:
    gssapi = Gssapi(Endless(), limits=Limits(sasl_rounds=8))
    gssapi.initial_response()
    for _ in range(8):
        gssapi.respond(b"again")
    with pytest.raises(SaslLimitExceeded, match="rounds"):
        gssapi.respond(b"again")
