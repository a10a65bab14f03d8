"""Whether the reply to LOGOUT is waited for: it costs a round trip, and no mail depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.login.imap import LOGOUT_SECONDS
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.apps.polls.server_places import ServerPlaces, ServerSlot
from mailhaul.flows.outcome import ExitCode, ServerRefused
from mailhaul.flows.requests import Sleep, Trust
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

from .raw import Raw
from .scripted import SOURCE, Script, World


@pytest.mark.parametrize(
    ("address", "patiently", "seconds"),
    [("192.0.2.1", False, 0.0), ("192.0.2.1", True, LOGOUT_SECONDS), ("", False, LOGOUT_SECONDS)],
    ids=["server", "server that counts its sessions", "program"],
)
def test_who_is_given_time_to_reply(
    tmp_path: Path, address: str, patiently: bool, seconds: float
) -> None:
    world = World(tmp_path, Script())
    world.script.answers["LOGOUT"] = b""
    access = Access(
        "server", SOURCE, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
    )
    source = ImapSource(access, world.events.append)
    simulation = Simulation()
    simulation.listen(SOURCE, Raw, world.script.serve)

    async def begin_and_end() -> float:
        await source.open()
        source.channel.address = address
        began = simulation.now
        await source.close(patiently=patiently)
        took = simulation.now - began
        # The server hears it all the same.
        await Sleep(1.0)
        return took

    assert simulation.run(begin_and_end()) == pytest.approx(seconds, abs=0.5)
    assert world.heard(b"LOGOUT") == [b"LOGOUT"]


def test_only_a_server_that_has_refused_connections_is_given_time() -> None:
    places = ServerPlaces(10)
    first, second = ServerSlot(places, "ann"), ServerSlot(places, "joe")
    assert first.ask(first).is_set
    assert second.ask(second).is_set
    assert not first.ending()
    assert places.admission.connections == 1
    assert first.ask(first).is_set
    second.failed(ServerRefused(ExitCode.SERVBUSY, "too many connections"))
    assert first.ending()
    # It keeps its place until it is closed.
    assert places.admission.connections == 2
