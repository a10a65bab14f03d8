"""Notices that mailhaul sends about an account, to the sink of the account's mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocols.errors import ProtocolError
from .outcome import PollFailed
from .requests import RuntimeFault
from .sink import Parcel, Sink, post

if TYPE_CHECKING:
    from .parcel import Packer


async def send_notice(
    make_sink: Callable[[], Sink],
    packer_for: Callable[[Sink], Packer],
    notice: Callable[[Packer], Parcel | None],
) -> str:
    """Send a notice through a new sink; return "", or why it cannot be sent."""
    sink = make_sink()
    try:
        parcel = notice(packer_for(sink))
        if parcel is None:
            return "no address to send it to"
        outcome = await post(sink, parcel)
        await sink.close()
    except (PollFailed, ProtocolError, RuntimeFault) as error:
        return str(error) or type(error).__name__
    return "" if outcome.accepted else outcome.reason
