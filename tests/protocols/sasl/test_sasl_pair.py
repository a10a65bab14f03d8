"""Client and server authenticate in memory: each is the other's test."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import ProtocolError
from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.client_mechanisms import ClientMechanism
from mailhaul.protocols.sasl.credentials import ChannelBinding, Credentials
from mailhaul.protocols.sasl.errors import SaslError
from mailhaul.protocols.sasl.exchange import Challenge
from mailhaul.protocols.sasl.saslprep import saslprep
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

BINDING = ChannelBinding(b"tls-exporter", b"what both ends export")
SERVER_FIRST = [b"LOGIN", b"CRAM-MD5"]
WITH_PASSWORD = [
    *(b"PLAIN", b"LOGIN", b"CRAM-MD5"),
    *(b"SCRAM-SHA-1", b"SCRAM-SHA-256", b"SCRAM-SHA-1-PLUS", b"SCRAM-SHA-256-PLUS"),
]
ALL = [*WITH_PASSWORD, b"EXTERNAL", b"XOAUTH2", b"OAUTHBEARER"]
every = pytest.mark.parametrize("name", ALL, ids=[name.decode() for name in ALL])


def accounts(user: bytes, password: bytes, token: bytes) -> Accounts:
    """Return the accounts of one user, who may act as any user."""
    name = saslprep(user)

    def password_of(asked: bytes) -> Secret | None:
        return Secret(password) if asked == name else None

    def keys_of(asked: bytes, mechanism: bytes) -> ScramKeys | None:
        if asked != name:
            return None
        return scram_keys(mechanism, Secret(password), b"a salt")

    def owner_of(asked: Secret) -> bytes | None:
        return name if asked.reveal() == token else None

    return Accounts(password_of, keys_of, owner_of, name, lambda user, other: True, Secret(b"x"))


def client_for(
    name: bytes, credentials: Credentials, binding: ChannelBinding | None = BINDING
) -> ClientMechanism:
    return make_client(
        *(name, credentials), nonce=b"client", announced=ALL, binding=binding, host=b"h", port=143
    )


def server_for(name: bytes, store: Accounts, binding: ChannelBinding = BINDING) -> ServerMechanism:
    bindings = {binding.kind: binding.data}
    made = make_server(name, store, nonce=b"server", bindings=bindings)
    assert made is not None
    return made


def converse(
    client: ClientMechanism, server: ServerMechanism, *, with_initial: bool = True
) -> Verdict:
    """Carry the messages between both sides, as POP3, IMAP and SMTP do; return the verdict."""
    initial = client.initial_response()
    verdict = server.start(initial if with_initial else None)
    if initial is not None and not with_initial:
        assert verdict == Challenge(b"")
        verdict = server.respond(initial)
    while isinstance(verdict, Challenge):
        verdict = server.respond(client.respond(verdict.data))
    if isinstance(verdict, Accepted):
        client.finish()
    return verdict


WORDS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1)
NAMES = WORDS.filter(lambda name: "\1" not in name).map(str.encode)
TOKENS = st.from_regex(rb"[!-~]{1,40}", fullmatch=True)


@every
@given(user=NAMES, password=WORDS.map(str.encode), token=TOKENS, with_initial=st.booleans())
def test_correct_credentials_are_accepted(
    name: bytes, user: bytes, password: bytes, token: bytes, with_initial: bool
) -> None:
    credentials = Credentials(user, Secret(password), Secret(token), certificate=True)
    server = server_for(name, accounts(user, password, token))
    verdict = converse(client_for(name, credentials), server, with_initial=with_initial)
    assert verdict == Accepted(saslprep(user), saslprep(user))


@pytest.mark.parametrize("name", [n for n in ALL if n != b"EXTERNAL"], ids=bytes.decode)
@given(user=NAMES, password=WORDS.map(str.encode), token=TOKENS)
def test_other_credentials_are_refused(
    name: bytes, user: bytes, password: bytes, token: bytes
) -> None:
    store = accounts(user, password + b"x", token + b"x")
    credentials = Credentials(user, Secret(password), Secret(token))
    assert isinstance(converse(client_for(name, credentials), server_for(name, store)), Refused)


@pytest.mark.parametrize("name", WITH_PASSWORD, ids=bytes.decode)
def test_an_unknown_user_is_refused(name: bytes) -> None:
    store = accounts(b"ann", b"pass", b"T")
    credentials = Credentials(b"bob", Secret(b"pass"))
    verdict = converse(client_for(name, credentials), server_for(name, store))
    assert verdict == Refused("wrong user name or password")


@pytest.mark.parametrize(
    "name", [n for n in ALL if n.startswith((b"PLAIN", b"SCRAM", b"EXTERNAL"))], ids=bytes.decode
)
@given(act_as=WORDS.map(str.encode))
def test_a_user_may_act_as_another(name: bytes, act_as: bytes) -> None:
    credentials = Credentials(b"ann", Secret(b"pass"), certificate=True, act_as=act_as)
    verdict = converse(
        client_for(name, credentials), server_for(name, accounts(b"ann", b"pass", b"T"))
    )
    assert verdict == Accepted(b"ann", saslprep(act_as))


@pytest.mark.parametrize("name", [b"SCRAM-SHA-1-PLUS", b"SCRAM-SHA-256-PLUS"])
def test_a_man_in_the_middle_cannot_relay_a_bound_login(name: bytes) -> None:
    credentials = Credentials(b"ann", Secret(b"pass"))
    between = ChannelBinding(BINDING.kind, b"what the one in between exports")
    server = server_for(name, accounts(b"ann", b"pass", b"T"), between)
    verdict = converse(client_for(name, credentials), server)
    assert verdict == Refused("the channel bindings do not match: man in the middle")


def test_removing_plus_from_the_announcement_is_detected() -> None:
    credentials = Credentials(b"ann", Secret(b"pass"))
    client = make_client(
        b"SCRAM-SHA-1", credentials, nonce=b"client", announced=[b"SCRAM-SHA-1"], binding=BINDING
    )
    server = server_for(b"SCRAM-SHA-1", accounts(b"ann", b"pass", b"T"))
    assert isinstance(converse(client, server), Refused)


@pytest.mark.parametrize("name", [n for n in ALL if n.startswith(b"SCRAM")], ids=bytes.decode)
def test_a_server_that_does_not_know_the_password_is_detected(name: bytes) -> None:
    real = scram_keys(name.removesuffix(b"-PLUS"), Secret(b"pass"), b"a salt")
    stolen = ScramKeys(real.salt, real.iterations, real.stored_key, b"guess")
    store = Accounts(scram=lambda user, mechanism: stolen)
    client = client_for(name, Credentials(b"ann", Secret(b"pass")))
    with pytest.raises(SaslError, match="does not prove"):
        converse(client, server_for(name, store))
    with pytest.raises(SaslError):
        client.finish()


@pytest.mark.parametrize("name", [n for n in ALL if n.startswith(b"SCRAM")], ids=bytes.decode)
@given(data=st.data())
def test_a_changed_message_never_succeeds_on_both_sides(name: bytes, data: st.DataObject) -> None:
    """A changed byte in a message of either side leads to an error or a refusal."""
    client = client_for(name, Credentials(b"ann", Secret(b"pass")))
    server = server_for(name, accounts(b"ann", b"pass", b"T"))
    changed = data.draw(st.integers(0, 3), "message")
    mask = data.draw(st.integers(1, 255), "mask")

    def carried(number: int, message: bytes) -> bytes:
        if number != changed:
            return message
        place = data.draw(st.integers(0, len(message) - 1), "place")
        return message[:place] + bytes((message[place] ^ mask,)) + message[place + 1 :]

    first = client.initial_response()
    assert first is not None
    verdict = server.start(Secret(carried(0, first.reveal())))
    for number in (1, 3):
        if not isinstance(verdict, Challenge):
            break
        try:
            response = client.respond(carried(number, verdict.data)).reveal()
        except SaslError:
            break
        verdict = server.respond(Secret(carried(number + 1, response)))
    assert not isinstance(verdict, Accepted)
    with pytest.raises(SaslError):
        client.finish()


@every
def test_the_secrets_appear_in_no_repr(name: bytes) -> None:
    secret = re.compile("geheim|Z2VoZWlt|marke")
    credentials = Credentials(b"ann", Secret(b"geheim"), Secret(b"marke"), certificate=True)
    store = accounts(b"ann", b"not geheim", b"not marke")
    client, server = client_for(name, credentials), server_for(name, store)
    seen: list[object] = [client, server, credentials, store]
    try:
        verdict = server.start(client.initial_response())
        while isinstance(verdict, Challenge):
            seen.append(verdict)
            response = client.respond(verdict.data)
            seen.append(response)
            verdict = server.respond(response)
        seen.append(verdict)
        client.respond(b"geheim")
    except ProtocolError as fault:
        seen.append(fault)
    for thing in seen:
        assert not secret.search(f"{thing!r} {thing}")
