"""A login at the listener: by the best mechanism there is, or no mail goes there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest

from mailhaul.adapters.sinks.smtp import Listener, SmtpSink
from mailhaul.flows.outcome import SinkUnavailable
from mailhaul.flows.requests import Tcp
from mailhaul.flows.serve.logins import Logins
from mailhaul.flows.serve.smtp import MemorySink, serve_smtp
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import Complete
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation

FIRST, SECOND = Tcp("localhost", 25), Tcp("127.0.0.1", 25)
PARCEL = Parcel(b"a@x", (b"joe@x",), b"Subject: hi\r\n\r\n", 20)
USERS = {b"joe": b"sesame"}


def deliver(
    servers: Mapping[Tcp, Logins | None], password: bytes = b"sesame"
) -> tuple[dict[Tcp, int], list[str]]:
    """Hand on one message; return how many each server got, and what was said on the line."""
    lines: list[str] = []
    sinks = {place: MemorySink() for place in servers}
    world = Simulation()
    for place, logins in servers.items():
        world.listen(place, SmtpServer, partial(serve_smtp, sink=sinks[place], logins=logins))
    sink = SmtpSink(
        [Listener(place.host, place, False, place.host) for place in servers],
        "client",
        20.0,
        lambda way, line: lines.append(f"{way} {line.decode()}"),
        Credentials(b"joe", Secret(password)),
    )

    async def story() -> None:
        delivery = await sink.offer(PARCEL)
        assert await delivery.ready()
        await delivery.feed(PARCEL.header)
        await delivery.complete(Complete(1, 20))
        await delivery.outcome()
        await sink.close()

    try:
        world.run(story())
    finally:
        assert not any("sesame" in line for line in lines)
    return {place: len(one.messages) for place, one in sinks.items()}, lines


@pytest.mark.parametrize(
    ("logins", "mechanism"),
    [
        (Logins(USERS, lambda: b"<1@x>"), "AUTH SCRAM-SHA-256 *"),
        (Logins(USERS), "AUTH PLAIN *"),
    ],
)
def test_the_best_mechanism_is_taken(logins: Logins, mechanism: str) -> None:
    got, lines = deliver({FIRST: logins})
    assert got == {FIRST: 1}
    assert f"> {mechanism}" in lines


def test_who_is_not_let_in_asks_the_next_listener() -> None:
    got, _ = deliver({FIRST: Logins({b"joe": b"other"}), SECOND: Logins(USERS)})
    assert got == {FIRST: 0, SECOND: 1}


@pytest.mark.parametrize(
    ("logins", "why"),
    [(Logins({b"joe": b"other"}), "535"), (None, "offers no way to log in")],
)
def test_without_a_login_no_mail_is_handed_over(logins: Logins | None, why: str) -> None:
    with pytest.raises(SinkUnavailable, match=why):
        deliver({FIRST: logins})
