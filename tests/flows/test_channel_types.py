"""What a channel's machine says is what its flow gets: the type checkers see the events' types."""

from __future__ import annotations

from typing import assert_type

from mailhaul import imap, pop3, smtp
from mailhaul.flows.channel import Channel, next_event
from mailhaul.runtimes.blocking import run


def test_the_next_event_has_the_type_of_the_machine() -> None:
    client = imap.Client()
    client.receive_data(b"* OK ready\r\n")

    async def hear() -> imap.Event:
        event = await next_event(Channel("server", client), 1.0)
        assert_type(event, imap.Event)
        return event

    assert isinstance(run(hear()), imap.Greeted)


def test_the_same_holds_for_every_client_and_server() -> None:
    """The type checkers run this test; there is nothing to do at run time."""

    async def clients(one: Channel[pop3.Client], two: Channel[smtp.Client]) -> None:
        assert_type(await next_event(one, 1.0), pop3.Event)
        assert_type(await next_event(two, 1.0), smtp.Event)

    async def servers(
        one: Channel[imap.Server], two: Channel[pop3.Server], three: Channel[smtp.Server]
    ) -> None:
        assert_type(await next_event(one, 1.0), imap.Heard | imap.Closed)
        assert_type(await next_event(two, 1.0), pop3.Heard | pop3.Closed)
        assert_type(await next_event(three, 1.0), smtp.Heard | smtp.Closed)
