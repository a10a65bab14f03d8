"""The short client mechanisms, and the base class of all mechanisms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.sasl.client_mechanisms import (
    ClientMechanism,
    CramMd5,
    External,
    Login,
    Plain,
)
from mailhaul.protocols.sasl.client_oauth import OAuthBearer, XOAuth2
from mailhaul.protocols.sasl.client_scram import Scram
from mailhaul.protocols.sasl.errors import SaslError, SaslLimitExceeded
from mailhaul.protocols.secret import Secret

Maker = Callable[[bytes, Secret], ClientMechanism]

MAKERS: dict[bytes, Maker] = {
    b"PLAIN": Plain,
    b"LOGIN": Login,
    b"CRAM-MD5": CramMd5,
    b"XOAUTH2": XOAuth2,
    b"OAUTHBEARER": OAuthBearer,
    b"SCRAM-SHA-1": lambda user, password: Scram(b"SCRAM-SHA-1", user, password, b"nonce"),
    b"SCRAM-SHA-256": lambda user, password: Scram(b"SCRAM-SHA-256", user, password, b"nonce"),
    b"EXTERNAL": lambda user, password: External(user),
}
EXPOSE = {b"PLAIN", b"LOGIN", b"XOAUTH2", b"OAUTHBEARER"}
any_mechanism = pytest.mark.parametrize("make", MAKERS.values(), ids=[n.decode() for n in MAKERS])


def said(response: Secret | None) -> bytes:
    assert response is not None
    return response.reveal()


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        (Plain(b"tim", Secret(b"tanstaaftanstaaf")), b"\0tim\0tanstaaftanstaaf"),
        (Plain(b"Kurt", Secret(b"xipj3plmq"), b"Ursel"), b"Ursel\0Kurt\0xipj3plmq"),
        (Plain("jörg".encode(), Secret("ß\u00ad".encode())), "\0jörg\0ß\u00ad".encode()),
        (External(), b""),
        (External(b"fred@example.com"), b"fred@example.com"),
    ],
)
def test_the_exchange_has_one_message(mechanism: ClientMechanism, message: bytes) -> None:
    assert said(mechanism.initial_response()) == message
    mechanism.finish()
    with pytest.raises(SaslError, match="challenge after the last response"):
        mechanism.respond(b"")
    with pytest.raises(SaslError):
        mechanism.finish()


@pytest.mark.parametrize("prompts", [(b"Username:", b"Password:"), (b"", b""), (b"\xff", b"User")])
def test_login_sends_name_and_password_for_any_prompts(prompts: tuple[bytes, bytes]) -> None:
    login = Login(b"tim", Secret(b"secret"))
    assert login.initial_response() is None
    assert said(login.respond(prompts[0])) == b"tim"
    assert said(login.respond(prompts[1])) == b"secret"
    login.finish()
    with pytest.raises(SaslError):
        login.respond(b"Again:")


def test_cram_md5_gives_the_digest_of_the_rfc() -> None:
    cram = CramMd5(b"tim", Secret(b"tanstaaftanstaaf"))
    assert cram.initial_response() is None
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    assert said(cram.respond(challenge)) == b"tim b913a602c7eda7a495b4e6e7334d3890"
    cram.finish()


def test_cram_md5_refuses_an_empty_challenge() -> None:
    cram = CramMd5(b"tim", Secret(b"secret"))
    cram.initial_response()
    with pytest.raises(SaslError, match="empty"):
        cram.respond(b"")
    with pytest.raises(SaslError):
        cram.finish()


@pytest.mark.parametrize("name", [b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-1", b"SCRAM-SHA-256"])
def test_success_before_the_end_is_an_error(name: bytes) -> None:
    mechanism = MAKERS[name](b"tim", Secret(b"secret"))
    mechanism.initial_response()
    with pytest.raises(SaslError, match="before the exchange was complete"):
        mechanism.finish()


def test_success_in_the_middle_of_login_is_an_error() -> None:
    login = Login(b"tim", Secret(b"secret"))
    login.initial_response()
    login.respond(b"Username:")
    with pytest.raises(SaslError):
        login.finish()


@any_mechanism
def test_success_with_unexpected_data_is_an_error(make: Maker) -> None:
    mechanism = make(b"tim", Secret(b"secret"))
    mechanism.initial_response()
    with pytest.raises(SaslError):
        mechanism.finish(b"data")


@any_mechanism
@pytest.mark.parametrize("unsafe", [b"\r", b"\n", b"\0"])
@pytest.mark.parametrize("place", [b"%bx", b"x%b", b"x%bx"])
def test_line_ends_and_nul_are_never_sent(make: Maker, unsafe: bytes, place: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        make(place % unsafe, Secret(b"secret"))
    if make is not MAKERS[b"EXTERNAL"]:
        with pytest.raises(LocalProtocolError):
            make(b"tim", Secret(place % unsafe))


@pytest.mark.parametrize("name", sorted(MAKERS.keys() - {b"EXTERNAL"}))
def test_an_empty_name_or_password_is_not_sent(name: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        MAKERS[name](b"", Secret(b"secret"))
    with pytest.raises(LocalProtocolError):
        MAKERS[name](b"tim", Secret(b""))


@pytest.mark.parametrize("unsafe", [b"a\0b", b"a\r", b"\n"])
def test_an_identity_to_act_as_is_checked_too(unsafe: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        Plain(b"tim", Secret(b"secret"), unsafe)
    with pytest.raises(LocalProtocolError):
        Scram(b"SCRAM-SHA-1", b"tim", Secret(b"secret"), b"nonce", act_as=unsafe)


@pytest.mark.parametrize("name", MAKERS)
def test_a_mechanism_has_its_name_and_tells_whether_it_exposes_the_secret(name: bytes) -> None:
    mechanism = MAKERS[name](b"tim", Secret(b"secret"))
    assert mechanism.name == name
    assert mechanism.exposes_secret == (name in EXPOSE)


def test_a_challenge_has_a_limit() -> None:
    limits = Limits(sasl=400)
    cram = CramMd5(b"tim", Secret(b"secret"), limits)
    cram.initial_response()
    cram.respond(b"x" * 300)
    cram = CramMd5(b"tim", Secret(b"secret"), limits)
    cram.initial_response()
    with pytest.raises(SaslLimitExceeded) as caught:
        cram.respond(b"x" * 301)
    assert (caught.value.name, caught.value.limit) == ("challenge", 300)
    assert isinstance(caught.value, LimitExceeded)


def test_a_response_has_a_limit() -> None:
    plain = Plain(b"tim", Secret(b"x" * 300), limits=Limits(sasl=400))
    with pytest.raises(LocalProtocolError, match="exceeds the limit"):
        plain.initial_response()


@any_mechanism
@given(challenges=st.lists(st.binary(max_size=60), min_size=1, max_size=10))
def test_any_challenges_give_responses_or_an_error(make: Maker, challenges: list[bytes]) -> None:
    mechanism = make(b"tim", Secret(b"secret"))
    mechanism.initial_response()
    for count, challenge in enumerate(challenges):
        try:
            assert isinstance(mechanism.respond(challenge), Secret)
        except SaslError:
            break
        assert count < 2
    with pytest.raises(SaslError):
        mechanism.finish(b"more")


@any_mechanism
def test_no_repr_shows_a_secret(make: Maker) -> None:
    mechanism = make(b"tim", Secret(b"geheim"))
    shown = [mechanism.initial_response()]
    faults = list[RemoteProtocolError]()
    for challenge in (b"geheim", b"e=other-error", b"r=geheim", b"geheim"):
        try:
            shown.append(mechanism.respond(challenge))
        except SaslError as fault:
            faults.append(fault)
    assert faults
    assert "geheim" not in f"{mechanism!r} {mechanism} {shown!r} {shown} {faults!r} {faults}"
    assert "geheim" not in "".join(map(str, faults))
