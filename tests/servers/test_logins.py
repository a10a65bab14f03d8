"""Logins at the servers with passwords and every mechanism, from our own clients."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from mailhaul.flows.authenticate import authenticate
from mailhaul.flows.channel import Channel, next_event
from mailhaul.flows.requests import Close, Now, Open, Tcp
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.events import Completed, ResponseCode
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.sasl.choose import make_client
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication
from mailhaul.protocols.sasl.scram import scram_keys
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import ITERATIONS, MECHANISMS, SALT, Logins, stored_keys
from mailhaul.servers.mailboxes import Mailbox
from mailhaul.servers.pop3 import Maildrop, serve_pop3

HERE = Tcp("mail.example.org", 110)
USERS = {b"joe": b"sesame", b"ann": b"two words"}


def nonces() -> Any:
    numbers = count(1)
    return lambda: b"nonce%d" % next(numbers)


def with_nonces() -> Logins:
    return Logins(USERS, nonces())


def in_session(logins: Logins, story: Any) -> Any:
    """Run a story with a channel to a server, after the greeting."""

    async def whole() -> Any:
        channel = Channel("server", Pop3Client())
        await Open(channel, HERE, 60)
        await next_event(channel, 60)
        found = await story(channel)
        await Close(channel)
        return found

    world = Simulation(cut=True)
    drop = Maildrop(Mailbox())
    world.listen(HERE, Pop3Server, lambda channel: serve_pop3(channel, drop, logins))
    return world.run(whole())


def verdict(logins: Logins, mechanism: bytes, user: bytes, password: bytes) -> Completed:
    """Return the final reply of the server to an authentication."""

    async def story(channel: Any) -> Any:
        held = Credentials(user, Secret(password))
        client = make_client(mechanism, held, nonce=b"client", announced=MECHANISMS)
        decision, fault = await authenticate(channel, client, lambda: next_event(channel, 60))
        assert fault is None
        if decision.positive:
            client.finish()
        return decision

    decision = in_session(logins, story)
    assert isinstance(decision, Completed)
    return decision


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("user", USERS)
def test_the_correct_password_is_accepted(mechanism: bytes, user: bytes) -> None:
    assert verdict(with_nonces(), mechanism, user, USERS[user]).positive


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("user", "password"), [(b"joe", b"wrong"), (b"eve", b"sesame")])
def test_wrong_credentials_are_refused(mechanism: bytes, user: bytes, password: bytes) -> None:
    decision = verdict(with_nonces(), mechanism, user, password)
    assert (decision.positive, decision.code) == (False, ResponseCode.AUTH)


def test_without_nonces_only_plain_passwords_are_announced() -> None:
    assert Logins(USERS).mechanisms == (b"PLAIN", b"LOGIN")
    assert with_nonces().mechanisms == MECHANISMS


@pytest.mark.parametrize("mechanism", [b"CRAM-MD5", b"SCRAM-SHA-256", b"NTLM", b"EXTERNAL"])
def test_a_mechanism_that_is_not_announced_is_refused(mechanism: bytes) -> None:
    async def story(channel: Any) -> Any:
        channel.machine.send(Authenticate(mechanism, Secret(b"joe")))
        return await next_event(channel, 60)

    assert not in_session(Logins(USERS), story).positive


def test_a_client_may_cancel() -> None:
    async def story(channel: Any) -> Any:
        channel.machine.send(Authenticate(b"LOGIN"))
        await next_event(channel, 60)
        channel.machine.send(CancelAuthentication())
        return await next_event(channel, 60)

    assert not in_session(Logins(USERS), story).positive


def test_a_client_that_disconnects_in_the_middle_ends_the_session_at_once() -> None:
    ended: list[float] = []

    async def serve(channel: Channel[Pop3Server]) -> None:
        await serve_pop3(channel, Maildrop(Mailbox()), Logins(USERS))
        ended.append(await Now())

    async def story() -> None:
        for _ in range(2):
            channel = Channel("server", Pop3Client())
            await Open(channel, HERE, 60)
            await next_event(channel, 60)
            channel.machine.send(Authenticate(b"LOGIN"))
            await next_event(channel, 60)
            await Close(channel)

    world = Simulation()
    world.listen(HERE, Pop3Server, serve)
    world.run(story())
    assert ended
    assert ended[0] < 1


def test_a_password_is_valid_only_for_its_user() -> None:
    logins = Logins(USERS)
    assert logins.is_password(b"joe", b"sesame")
    assert not logins.is_password(b"joe", b"two words")
    assert not logins.is_password(b"eve", b"")
    assert (logins.password(b"ann"), logins.password(b"eve")) == (b"two words", None)


def test_the_scram_keys_of_a_password_are_computed_once() -> None:
    keys = stored_keys(b"SCRAM-SHA-256", b"sesame")
    assert keys == scram_keys(b"SCRAM-SHA-256", Secret(b"sesame"), SALT, ITERATIONS)
    assert stored_keys(b"SCRAM-SHA-256", b"sesame") is keys
    assert stored_keys(b"SCRAM-SHA-1", b"sesame") != keys
