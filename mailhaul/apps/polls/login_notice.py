"""The flow that sends the user a mail when a server refuses the login, or accepts it again.

fetchmail does so too: a user who does not read the log would only notice that no mail comes.
"""

from __future__ import annotations

from ...adapters.config.settings import AccountSettings
from ...flows.notices import send_notice
from ...flows.report import Event
from .accounts import user_at_server
from .context import PollContext
from .packer import Packing
from .sinks import sink_of
from .sources import source_of


async def login_notice(
    settings: AccountSettings, context: PollContext, *, refused: bool, reason: str = ""
) -> str:
    """Deliver the notice to the sink of the account; return why that failed, or "".

    ``reason`` says why there is no token.
    """
    _, make_sink = sink_of(settings, context)
    source = source_of(settings, context, ignore_report)
    return await send_notice(
        make_sink,
        Packing(settings, context, source, None),
        lambda packer: packer.login_notice(
            user_at_server(settings), refused=refused, reason=reason
        ),
    )


def ignore_report(event: Event) -> None:
    """Ignore reports: no mailbox is opened here."""
