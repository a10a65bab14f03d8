"""Mechanisms are chosen in the right order and created from the credentials."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.sasl.choose import MECHANISMS, PREFERENCES, choose, make_client
from mailhaul.protocols.sasl.credentials import ChannelBinding, Credentials
from mailhaul.protocols.sasl.gssapi import ContextFailed
from mailhaul.protocols.secret import Secret

ALL = [row.name for row in MECHANISMS]
PASSWORD = Credentials(b"ann", password=Secret(b"geheim"))
TOKEN = Credentials(b"ann", token=Secret(b"T"))
BOTH = Credentials(b"ann", password=Secret(b"geheim"), token=Secret(b"T"))
EVERYTHING = Credentials(b"ann", Secret(b"geheim"), Secret(b"T"), certificate=True, ticket=True)
NOTHING = Credentials(b"ann")
BINDING = ChannelBinding(b"tls-exporter", b"x")


class NoContext:
    """A Kerberos library without a ticket."""

    complete = False

    def step(self, token: bytes | None) -> bytes | None:
        raise ContextFailed("no ticket")

    def unwrap(self, message: bytes) -> bytes:
        raise ContextFailed("no ticket")

    def wrap(self, message: bytes) -> bytes:
        raise ContextFailed("no ticket")


def names(words: str) -> list[bytes]:
    return words.encode().split()


@pytest.mark.parametrize(
    ("announced", "credentials", "expected"),
    [
        (ALL, NOTHING, ""),
        (ALL, PASSWORD, "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"),
        (ALL, TOKEN, "OAUTHBEARER XOAUTH2"),
        (ALL, BOTH, "OAUTHBEARER XOAUTH2 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"),
        (
            *(ALL, EVERYTHING),
            "EXTERNAL GSSAPI OAUTHBEARER XOAUTH2 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN",
        ),
        (names("login plain"), PASSWORD, "PLAIN LOGIN"),
        (names("NTLM ANONYMOUS DIGEST-MD5"), EVERYTHING, ""),
        ([], EVERYTHING, ""),
    ],
)
def test_the_best_usable_mechanism_comes_first(
    announced: list[bytes], credentials: Credentials, expected: str
) -> None:
    assert choose(announced, credentials, protected=True) == names(expected)


def test_without_protection_no_secret_is_exposed() -> None:
    in_clear = choose(ALL, EVERYTHING, protected=False)
    assert in_clear == names("EXTERNAL GSSAPI SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5")
    for preference in ("password", "plain", "login", "oauthbearer", "xoauth2"):
        assert choose(ALL, EVERYTHING, preference=preference, protected=False) == []
        allowed = choose(
            ALL, EVERYTHING, preference=preference, protected=False, plain_in_clear=True
        )
        assert allowed == choose(ALL, EVERYTHING, preference=preference, protected=True) != []


def test_a_mechanism_chosen_without_protection_exposes_no_secret() -> None:
    for name in choose(ALL, EVERYTHING, protected=False):
        client = make_client(name, EVERYTHING, nonce=b"N", context=NoContext())
        assert not client.exposes_secret
    for name in set(ALL) - set(choose(ALL, EVERYTHING, protected=False, binding=BINDING)):
        if not name.startswith(b"SCRAM"):
            assert make_client(name, EVERYTHING, nonce=b"N").exposes_secret


@pytest.mark.parametrize(
    ("announced", "expected"),
    [
        (
            "SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-1 SCRAM-SHA-1-PLUS PLAIN",
            "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS PLAIN",
        ),
        ("SCRAM-SHA-256 SCRAM-SHA-1 SCRAM-SHA-1-PLUS", "SCRAM-SHA-1-PLUS"),
        ("SCRAM-SHA-256 SCRAM-SHA-1", "SCRAM-SHA-256 SCRAM-SHA-1"),
    ],
)
def test_a_channel_that_can_be_bound_is_bound(announced: str, expected: str) -> None:
    chosen = choose(names(announced), PASSWORD, protected=True, binding=BINDING)
    assert chosen == names(expected)


@pytest.mark.parametrize(
    ("preference", "announced", "expected"),
    [
        ("password", "PLAIN CRAM-MD5", "PLAIN"),
        ("password", "CRAM-MD5", ""),
        ("plain", "LOGIN", "PLAIN"),
        ("cram-md5", "", "CRAM-MD5"),
        ("scram", "SCRAM-SHA-1 PLAIN", "SCRAM-SHA-1"),
        ("scram", "PLAIN", ""),
        ("scram-sha-256", "SCRAM-SHA-1", ""),
        ("scram-sha-1", "SCRAM-SHA-1 SCRAM-SHA-256", "SCRAM-SHA-1"),
        ("external", "", "EXTERNAL"),
        ("kerberos5", "GSSAPI PLAIN", "GSSAPI"),
        ("ssh", "PLAIN", ""),
    ],
)
def test_a_preference_is_respected(preference: str, announced: str, expected: str) -> None:
    assert choose(names(announced), EVERYTHING, preference=preference, protected=True) == names(
        expected
    )


@pytest.mark.parametrize("preference", ["ntlm", "otp", "msn", "kerberos4", "", "PLAIN"])
def test_an_unknown_preference_is_a_local_error(preference: str) -> None:
    with pytest.raises(LocalProtocolError):
        choose(ALL, EVERYTHING, preference=preference, protected=True)


@pytest.mark.parametrize("preference", PREFERENCES)
def test_no_preference_works_without_credentials(preference: str) -> None:
    assert choose(ALL, NOTHING, preference=preference, protected=True, binding=BINDING) == []


@pytest.mark.parametrize("name", ALL)
def test_every_chosen_mechanism_can_be_created(name: bytes) -> None:
    client = make_client(name, EVERYTHING, nonce=b"N", binding=BINDING, context=NoContext())
    assert client.name == name


@pytest.mark.parametrize("name", [*ALL[1:], b"NTLM", b"SCRAM-SHA-512"])
def test_a_mechanism_without_its_credentials_is_not_created(name: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        make_client(name, NOTHING, nonce=b"N")


def test_a_bound_mechanism_is_not_created_without_a_binding() -> None:
    with pytest.raises(LocalProtocolError, match="binding"):
        make_client(b"SCRAM-SHA-1-PLUS", PASSWORD, nonce=b"N")


@pytest.mark.parametrize(
    ("name", "announced", "binding", "flag"),
    [
        (b"SCRAM-SHA-1", [b"SCRAM-SHA-1"], None, b"n"),
        (b"SCRAM-SHA-1", [b"SCRAM-SHA-1"], BINDING, b"y"),
        (b"SCRAM-SHA-1", [b"scram-sha-1-plus"], BINDING, b"n"),
        (b"SCRAM-SHA-1-PLUS", [b"SCRAM-SHA-1-PLUS"], BINDING, b"p=tls-exporter"),
    ],
)
def test_scram_sends_the_correct_channel_binding_flag(
    name: bytes, announced: Collection[bytes], binding: ChannelBinding | None, flag: bytes
) -> None:
    client = make_client(name, PASSWORD, nonce=b"N", announced=announced, binding=binding)
    first = client.initial_response()
    assert first is not None
    assert first.reveal().split(b",")[0] == flag


@pytest.mark.parametrize(("act_as", "said"), [(b"", b"ann"), (b"office", b"office")])
def test_external_names_a_user(act_as: bytes, said: bytes) -> None:
    credentials = Credentials(b"ann", certificate=True, act_as=act_as)
    first = make_client(b"EXTERNAL", credentials, nonce=b"N").initial_response()
    assert first is not None
    assert first.reveal() == said


def test_credentials_show_no_secret() -> None:
    assert "geheim" not in f"{EVERYTHING!r} {EVERYTHING}"
