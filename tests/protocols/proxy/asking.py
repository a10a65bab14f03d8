"""Feed the answers of a proxy to a machine, in pieces of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.proxy.tunnel import Answer, TunnelClient


def ask(machine: TunnelClient[Any], answers: Iterable[bytes]) -> tuple[Answer | None, bytes]:
    """Return how the machine ends, and all that it sends; None if it wants more."""
    sent = bytearray()
    for answer in answers:
        while isinstance(machine.next_event(), NeedData) and machine.unsent:
            sent += b"".join(machine.data_to_send())
        machine.receive_data(answer)
    event = machine.next_event()
    sent += b"".join(machine.data_to_send())
    return (None if isinstance(event, NeedData) else event), bytes(sent)


def carefully(machine: TunnelClient[Any], answer: bytes) -> Iterator[int]:
    """Feed an answer as a runtime does: never more than ``wanted``. Yield each of these numbers."""
    while isinstance(machine.next_event(), NeedData):
        wanted = machine.wanted
        assert wanted > 0
        yield wanted
        machine.receive_data(answer[:wanted])
        answer = answer[wanted:]
    assert machine.wanted == 0
    yield -len(answer)
