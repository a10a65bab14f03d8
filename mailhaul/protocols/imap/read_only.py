"""What an IMAP client in read-only mode may send: only what changes nothing at the server.

The commands are listed one by one, so that a new one is refused until it is listed here.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import LocalProtocolError
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond
from .client_lines import NAMES, name_of
from .commands import (
    AskStatus,
    Capability,
    Command,
    Compress,
    Continuation,
    Done,
    Enable,
    Fetch,
    GetQuotaRoot,
    Id,
    Idle,
    ListMailboxes,
    ListSubscribed,
    Login,
    Logout,
    Namespace,
    Noop,
    Notify,
    Search,
    Select,
    StartTls,
    UidFetch,
    UidSearch,
    Unselect,
)

HARMLESS: Final[frozenset[type]] = frozenset(
    {
        *(Capability, Noop, Logout, Id, StartTls, Authenticate, Respond, CancelAuthentication),
        *(Login, Enable, Compress, Namespace, ListMailboxes, ListSubscribed, AskStatus),
        *(GetQuotaRoot, Idle, Done, Unselect, Search, UidSearch),
    }
)
"""Commands that change nothing, whatever their arguments are.

CLOSE is not among them: it removes messages, unless the mailbox was opened by EXAMINE.
"""
SETS_SEEN = re.compile(rb"(?i)(?:BODY|BINARY)\s*\[|RFC822(?!\.(?:SIZE|HEADER)(?![^\s()]))")
"""The items of FETCH that set \\Seen (RFC 3501, 6.4.5; RFC 3516, 4.2): text without PEEK."""


def refuse_changes(command: Command | Continuation) -> None:
    """Raise LocalProtocolError for a command that may change something at the server."""
    match command:
        case _ if type(command) in HARMLESS:
            return
        case Select(_, read_only):
            if read_only:
                return
            problem = "SELECT is refused in read-only mode; EXAMINE is allowed"
        case Fetch(numbers, items, modifiers) | UidFetch(numbers, items, modifiers):
            # All three go on the line as they are.
            if not SETS_SEEN.search(b" ".join((numbers, items, modifiers))):
                return
            problem = (
                f"{name_of(command)} without PEEK is refused in read-only mode: it sets \\Seen"
            )
        case Notify(groups):
            # The items are fetched for each new message.
            if not any(SETS_SEEN.search(b" ".join((g.which, *g.fetch))) for g in groups):
                return
            problem = "NOTIFY without PEEK is refused in read-only mode: it sets \\Seen"
        case _:
            name = NAMES.get(type(command), type(command).__name__)
            problem = f"{name} is refused in read-only mode"
    raise LocalProtocolError(problem)
