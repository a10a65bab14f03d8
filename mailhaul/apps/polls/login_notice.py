"""The flow that tells the user by mail that his server refuses the login, or accepts it again.

fetchmail does so too: who does not watch a log notices nothing but silence.
"""

from __future__ import annotations

from ...adapters.config.settings import AccountSettings
from ...flows.notices import send_notice
from ...flows.report import Event
from .accounts import user_at_server
from .context import PollContext
from .packer import make_packer
from .sinks import sink_of
from .sources import source_of


async def login_notice(settings: AccountSettings, context: PollContext, *, refused: bool) -> str:
    """Hand the message to the sink of the account; return why that was not possible, or ""."""
    _, make_sink = sink_of(settings, context)
    source = source_of(settings, context, told_nobody)
    return await send_notice(
        make_sink,
        lambda sink: make_packer(settings, context, source, sink, None),
        lambda packer: packer.login_notice(user_at_server(settings), refused=refused),
    )


def told_nobody(event: Event) -> None:
    """Nothing of a mailbox is reported here."""
