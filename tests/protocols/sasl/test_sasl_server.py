"""Server mechanisms accept, refuse, and mark messages as malformed."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.sasl.exchange import Challenge
from mailhaul.protocols.sasl.scram import ScramKeys, scram_keys
from mailhaul.protocols.sasl.server_mechanisms import (
    Accepted,
    Accounts,
    Refused,
    ServerMechanism,
    Verdict,
    make_server,
)
from mailhaul.protocols.secret import Secret

SALT_5802 = b64decode(b"QSXCR+Q6sek8bf92")
SALT_7677 = b64decode(b"W22ZaJ0SNY7soEsUEjb6gQ==")
PASSWORDS = {b"tim": Secret(b"tanstaaftanstaaf"), b"user": Secret(b"pencil")}
KEYS = {
    (b"user", b"SCRAM-SHA-1"): scram_keys(b"SCRAM-SHA-1", Secret(b"pencil"), SALT_5802),
    (b"user", b"SCRAM-SHA-256"): scram_keys(b"SCRAM-SHA-256", Secret(b"pencil"), SALT_7677),
}
BINDINGS = {b"tls-exporter": b"exported", b"tls-server-end-point": b"hash"}
NAMES = [b"PLAIN", b"LOGIN", b"EXTERNAL", b"CRAM-MD5", b"XOAUTH2", b"OAUTHBEARER"]
SCRAM_NAMES = [b"SCRAM-SHA-1", b"SCRAM-SHA-256", b"SCRAM-SHA-1-PLUS", b"SCRAM-SHA-256-PLUS"]


def keys(user: bytes, mechanism: bytes) -> ScramKeys | None:
    return KEYS.get((user, mechanism))


def owner(token: Secret) -> bytes | None:
    return b"user" if token.reveal() == b"T" else None


ACCOUNTS = Accounts(
    password=PASSWORDS.get,
    scram=keys,
    token_owner=owner,
    certificate=b"user",
    may_act_as=lambda user, other: user == other or other == b"office",
    decoy=Secret(b"decoy"),
)


def server(
    name: bytes,
    accounts: Accounts = ACCOUNTS,
    nonce: bytes = b"S",
    bindings: dict[bytes, bytes] | None = None,
    limits: Limits | None = None,
) -> ServerMechanism:
    made = make_server(
        *(name, accounts),
        nonce=nonce,
        host=b"mx.example.org",
        bindings=bindings,
        limits=limits or Limits(),
    )
    assert made is not None
    return made


def hear(mechanism: ServerMechanism, *messages: bytes) -> Verdict:
    """Start without an initial response, then send all messages; return the last verdict."""
    verdict = mechanism.start(None)
    for message in messages:
        assert isinstance(verdict, Challenge)
        verdict = mechanism.respond(Secret(message))
    return verdict


@pytest.mark.parametrize(
    ("name", "messages", "acting"),
    [
        (b"PLAIN", [b"\0user\0pencil"], b"user"),
        (b"PLAIN", [b"user\0user\0pencil"], b"user"),
        (b"PLAIN", [b"office\0user\0pencil"], b"office"),
        (b"LOGIN", [b"user", b"pencil"], b"user"),
        (b"EXTERNAL", [b""], b"user"),
        (b"EXTERNAL", [b"office"], b"office"),
        (b"XOAUTH2", [b"user=user\1auth=Bearer T\1\1"], b"user"),
        (b"XOAUTH2", [b"user=office\1auth=bearer T\1\1"], b"office"),
        (b"OAUTHBEARER", [b"n,a=user,\1auth=Bearer T\1\1"], b"user"),
        (b"OAUTHBEARER", [b"n,,\1auth=Bearer T\1\1"], b"user"),
        (b"OAUTHBEARER", [b"y,a=office,\1host=h\1port=1\1auth=Bearer T\1x=\1\1"], b"office"),
    ],
)
def test_the_right_credentials_are_accepted(
    name: bytes, messages: list[bytes], acting: bytes
) -> None:
    assert hear(server(name), *messages) == Accepted(b"user", acting)
    if name != b"LOGIN":
        assert server(name).start(Secret(messages[0])) == Accepted(b"user", acting)


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        (b"PLAIN", [b"\0user\0pencils"]),
        (b"PLAIN", [b"\0other\0pencil"]),
        (b"PLAIN", [b"\0other\0decoy"]),
        (b"PLAIN", [b"tim\0user\0pencil"]),
        (b"LOGIN", [b"user", b""]),
        (b"LOGIN", [b"", b"decoy"]),
        (b"EXTERNAL", [b"tim"]),
        (b"CRAM-MD5", [b"user b913a602c7eda7a495b4e6e7334d3890"]),
        (b"XOAUTH2", [b"user=user\1auth=Bearer F\1\1", b""]),
        (b"XOAUTH2", [b"user=tim\1auth=Bearer T\1\1", b""]),
        (b"OAUTHBEARER", [b"n,a=user,\1auth=Bearer F\1\1", b"\1"]),
        (b"OAUTHBEARER", [b"n,a=tim,\1auth=Bearer T\1\1", b"anything"]),
    ],
)
def test_wrong_credentials_are_refused(name: bytes, messages: list[bytes]) -> None:
    verdict = hear(server(name), *messages)
    assert isinstance(verdict, Refused)
    assert not verdict.malformed


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        (b"PLAIN", [b""]),
        (b"PLAIN", [b"user\0pencil"]),
        (b"PLAIN", [b"\0user\0pencil\0"]),
        (b"PLAIN", [b"\0\0pencil"]),
        (b"PLAIN", [b"\0user\0"]),
        (b"LOGIN", [b"us\0er", b"pencil"]),
        (b"EXTERNAL", [b"us\0er"]),
        (b"CRAM-MD5", [b""]),
        (b"CRAM-MD5", [b"user"]),
        (b"CRAM-MD5", [b" b913a602c7eda7a495b4e6e7334d3890"]),
        (b"XOAUTH2", [b"user=user\1auth=Bearer T\1"]),
        (b"XOAUTH2", [b"\1auth=Bearer T\1\1"]),
        (b"OAUTHBEARER", [b"\1auth=Bearer T\1\1"]),
        (b"OAUTHBEARER", [b"n,a=user,\1auth=Bearer T\1"]),
        (b"OAUTHBEARER", [b"n,a=user,\1auth=Basic T\1\1"]),
        (b"OAUTHBEARER", [b"n,a=us=er,\1auth=Bearer T\1\1"]),
        (b"OAUTHBEARER", [b"p=x,a=user,\1auth=Bearer T\1\1"]),
        (b"SCRAM-SHA-1", [b""]),
        (b"SCRAM-SHA-1", [b"n=user,r=C"]),
        (b"SCRAM-SHA-1", [b"n,,m=x,n=user,r=C"]),
        (b"SCRAM-SHA-1", [b"n,,r=C,n=user"]),
        (b"SCRAM-SHA-1", [b"n,,n=us=er,r=C"]),
        (b"SCRAM-SHA-1", [b"n,a=x=2,n=user,r=C"]),
        (b"SCRAM-SHA-1", [b"p=tls-exporter,,n=user,r=C"]),
        (b"SCRAM-SHA-1-PLUS", [b"n,,n=user,r=C"]),
        (b"SCRAM-SHA-1-PLUS", [b"y,,n=user,r=C"]),
        (b"SCRAM-SHA-1", [b"n,,n=user,r=C", b""]),
        (b"SCRAM-SHA-1", [b"n,,n=user,r=C", b"c=biws,r=CX,p=QQ=="]),
        (b"SCRAM-SHA-1", [b"n,,n=user,r=C", b"r=CS,c=biws,p=QQ=="]),
        (b"SCRAM-SHA-1", [b"n,,n=user,r=C", b"c=biws,r=CS,m=x,p=QQ=="]),
    ],
)
def test_invalid_messages_are_marked_as_malformed(name: bytes, messages: list[bytes]) -> None:
    bindings = BINDINGS if name.endswith(b"PLUS") else None
    verdict = hear(server(name, bindings=bindings), *messages)
    assert isinstance(verdict, Refused)
    assert verdict.malformed


def test_the_prompts_of_login_are_those_that_old_clients_expect() -> None:
    login = server(b"LOGIN")
    assert login.start(None) == Challenge(b"Username:")
    assert login.respond(Secret(b"user")) == Challenge(b"Password:")


def test_login_accepts_the_name_with_the_command() -> None:
    login = server(b"LOGIN")
    assert login.start(Secret(b"user")) == Challenge(b"Password:")
    assert login.respond(Secret(b"pencil")) == Accepted(b"user", b"user")


def test_cram_md5_accepts_the_digest_of_the_rfc() -> None:
    made = make_server(
        *(b"CRAM-MD5", ACCOUNTS), nonce=b"1896.697170952", host=b"postoffice.reston.mci.net"
    )
    assert made is not None
    assert made.start(None) == Challenge(b"<1896.697170952@postoffice.reston.mci.net>")
    verdict = made.respond(Secret(b"tim b913a602c7eda7a495b4e6e7334d3890"))
    assert verdict == Accepted(b"tim", b"tim")


def test_cram_md5_refuses_an_initial_response() -> None:
    verdict = server(b"CRAM-MD5").start(Secret(b""))
    assert isinstance(verdict, Refused)
    assert verdict.malformed


@pytest.mark.parametrize(
    ("name", "nonce", "client_first", "server_first", "client_final", "server_final"),
    [
        (
            b"SCRAM-SHA-1",
            b"3rfcNHYJY1ZVvWVs7j",
            b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (
            b"SCRAM-SHA-256",
            b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ],
)
def test_scram_answers_as_in_the_rfc(
    name: bytes,
    nonce: bytes,
    client_first: bytes,
    server_first: bytes,
    client_final: bytes,
    server_final: bytes,
) -> None:
    scram = server(name, nonce=nonce)
    assert scram.start(Secret(client_first)) == Challenge(server_first)
    assert scram.respond(Secret(client_final)) == Challenge(server_final)
    assert scram.respond(Secret(b"")) == Accepted(b"user", b"user")


def test_scram_requires_an_empty_response_to_its_proof() -> None:
    scram = server(b"SCRAM-SHA-1", nonce=b"3rfcNHYJY1ZVvWVs7j")
    nonce = b"fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
    scram.start(Secret(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"))
    scram.respond(Secret(b"c=biws,r=%b,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=" % nonce))
    assert isinstance(scram.respond(Secret(b"and")), Refused)


@pytest.mark.parametrize("proof", [b"QQ==", b"Q", b"QQ==QQ==", b64encode(b"x" * 20)])
@pytest.mark.parametrize("user", [b"user", b"nobody"])
def test_scram_refuses_an_invalid_proof(proof: bytes, user: bytes) -> None:
    verdict = hear(server(b"SCRAM-SHA-1"), b"n,,n=%b,r=C" % user, b"c=biws,r=CS,p=" + proof)
    assert isinstance(verdict, Refused)


@pytest.mark.parametrize(
    ("first", "final"),
    [
        pytest.param(b"n,,n=user,r=C", b64encode(b"y,,"), id="another flag"),
        pytest.param(b"n,,n=user,r=C", b64encode(b"n,a=x,"), id="another identity"),
    ],
)
def test_scram_refuses_a_changed_header(first: bytes, final: bytes) -> None:
    verdict = hear(server(b"SCRAM-SHA-1"), first, b"c=%b,r=CS,p=QQ==" % final)
    assert verdict == Refused("the channel bindings do not match: man in the middle")


@pytest.mark.parametrize(
    ("name", "first", "reason"),
    [
        (b"SCRAM-SHA-1-PLUS", b"p=tls-unique,,n=user,r=C", "not available"),
        (b"SCRAM-SHA-1", b"y,,n=user,r=C", "did not see"),
    ],
)
def test_an_inconsistent_channel_binding_is_refused(name: bytes, first: bytes, reason: str) -> None:
    verdict = hear(server(name, bindings=BINDINGS), first)
    assert isinstance(verdict, Refused)
    assert reason in verdict.reason


def test_an_unknown_user_looks_like_any_other() -> None:
    def salt_of(user: bytes) -> bytes:
        verdict = hear(server(b"SCRAM-SHA-256"), b"n,,n=%b,r=C" % user)
        assert isinstance(verdict, Challenge)
        nonce, salt, count = verdict.data.split(b",")
        assert (nonce, count) == (b"r=CS", b"i=4096")
        return salt

    assert salt_of(b"nobody") == salt_of(b"nobody") != salt_of(b"noone")
    assert len(salt_of(b"nobody")) == len(salt_of(b"user"))
    for name, wrong in (
        (b"PLAIN", [b"\0%b\0wrong"]),
        (b"LOGIN", [b"%b", b"wrong"]),
        (b"CRAM-MD5", [b"%b 00000000000000000000000000000000"]),
        (b"SCRAM-SHA-256", [b"n,,n=%b,r=C", b"c=biws,r=CS,p=" + b64encode(bytes(32))]),
    ):
        verdicts = [
            hear(server(name), *(m % user if b"%b" in m else m for m in wrong))
            for user in (b"user", b"nobody")
        ]
        assert verdicts == [Refused("wrong user name or password")] * 2


def test_without_accounts_every_login_is_refused() -> None:
    empty = Accounts()
    for name, message in (
        (b"PLAIN", b"\0user\0pencil"),
        (b"EXTERNAL", b"user"),
        (b"OAUTHBEARER", b"n,a=user,\1auth=Bearer T\1\1"),
        (b"SCRAM-SHA-1", b"n,,n=user,r=C"),
    ):
        assert not isinstance(hear(server(name, empty), message), Accepted)


def test_by_default_users_act_only_as_themselves() -> None:
    accounts = Accounts(password=PASSWORDS.get)
    verdict = hear(server(b"PLAIN", accounts), b"tim\0user\0pencil")
    assert isinstance(verdict, Refused)


@pytest.mark.parametrize("name", NAMES)
def test_a_response_has_a_limit(name: bytes) -> None:
    verdict = hear(server(name, limits=Limits(sasl=400)), b"x" * 301)
    assert verdict == Refused("a response is too long", malformed=True)


@pytest.mark.parametrize("name", [*NAMES, *SCRAM_NAMES])
def test_after_the_verdict_no_response_is_accepted(name: bytes) -> None:
    mechanism = server(name, bindings=BINDINGS, limits=Limits(sasl=4))
    assert isinstance(hear(mechanism, b"too long"), Refused)
    with pytest.raises(LocalProtocolError, match="already ended"):
        mechanism.respond(Secret(b""))


@pytest.mark.parametrize("name", [*NAMES, *SCRAM_NAMES])
@given(messages=st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_any_bytes_give_a_verdict(name: bytes, messages: list[bytes]) -> None:
    mechanism = server(name, bindings=BINDINGS)
    verdict = mechanism.start(None)
    for message in messages:
        if not isinstance(verdict, Challenge):
            break
        verdict = mechanism.respond(Secret(message))
    if name != b"EXTERNAL" or messages[0] not in {b"", b"user", b"office"}:
        assert not isinstance(verdict, Accepted)


@pytest.mark.parametrize("name", [b"NTLM", b"", b"-PLUS", b"PLAIN-PLUS", b"SCRAM-SHA-1-PLUS"])
def test_an_unknown_mechanism_is_not_created(name: bytes) -> None:
    assert make_server(name, ACCOUNTS, nonce=b"S") is None


@pytest.mark.parametrize("name", [*NAMES, *SCRAM_NAMES])
def test_the_name_of_a_mechanism_is_matched_in_any_case(name: bytes) -> None:
    assert server(name.lower(), bindings=BINDINGS).name == name


def test_the_repr_of_keys_shows_no_secret() -> None:
    for made in KEYS.values():
        for secret in (made.salt, made.stored_key, made.server_key):
            assert repr(secret) not in repr(made)
    assert "decoy=Secret(...)" in repr(ACCOUNTS)
