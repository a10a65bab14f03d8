"""The headers that rules look at: responses without a text change none of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.requests import Trust
from mailhaul.flows.source import Uid
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

from .raw import Raw
from .scripted import MESSAGE, SOURCE, Script, World

HEADERS = (
    b"* 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM)] {19}\r\nFrom: a@example\r\n\r\n)\r\n"
    b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"
    b"* 2 FETCH (UID 2 BODY[HEADER.FIELDS (FROM)] NIL)\r\n"
    b"TAG OK done\r\n"
)


def test_flags_after_a_header_do_not_empty_it(tmp_path: Path) -> None:
    world = World(tmp_path, Script({1: MESSAGE, 2: MESSAGE}))
    world.script.answers["UID FETCH"] = HEADERS
    access = Access(
        "server", SOURCE, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
    )
    source = ImapSource(access, world.events.append, everything=True)

    async def look() -> Mapping[Uid, bytes]:
        await source.open()
        await source.select("INBOX", read_only=False)
        return await source.headers([1, 2])

    simulation = Simulation()
    simulation.listen(SOURCE, Raw, world.script.serve)
    found = simulation.run(look())
    assert found[1] == b"From: a@example\r\n\r\n"
    assert not found.get(2)
