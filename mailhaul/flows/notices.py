"""Mail of our own about an account: it goes where the account's mail goes."""

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
    """Hand a notice to a sink of its own; return why that was not possible, or ""."""
    sink = make_sink()
    try:
        letter = notice(packer_for(sink))
        if letter is None:
            return "there is nobody to tell"
        outcome = await post(sink, letter)
        await sink.close()
    except (PollFailed, ProtocolError, RuntimeFault) as error:
        return str(error) or type(error).__name__
    return "" if outcome.accepted else outcome.reason
