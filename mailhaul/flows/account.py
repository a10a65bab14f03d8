"""What a poll needs to know about an account, wherever the settings came from."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ..protocols.record import Record
from .fate import Policy

if TYPE_CHECKING:
    from .rules import Rules


class Action(Enum):
    """What to do with a message on the server after the sink has accepted it."""

    DELETE = "delete"
    MARK = "mark"


class OnRetrieveError(Enum):
    """What happens when the server cannot send a message."""

    CONTINUE = "continue"
    """The message stays, and the next ones are read."""
    ABORT = "abort"
    """The poll ends."""
    MARKSEEN = "markseen"
    """The message stays and is not requested again."""


class Account(Record):
    """One remote user on one server, with the rules of its poll.

    ``name`` identifies the account in the ledger. ``same_user`` is the common beginning of the
    names of all accounts with this protocol and user, on any server; it is "" if the account must
    not take over the records of another one. ``mailboxes`` may contain patterns; a pattern does not
    match the mailboxes in ``elsewhere``, which another poll collects. With ``by_ledger`` the ledger
    decides which messages are new, and the server's own flags are ignored. ``limit`` is in octets,
    ``warnings`` in seconds; 0 means no limit for ``limit``, ``fetchlimit`` and ``expunge``.

    With ``delete_after`` a message that is kept is deleted so many seconds after its delivery,
    ``delete_limit`` messages in one poll at most. ``rules`` leave messages out. With ``once`` a
    message that the server shows in several folders is delivered once.
    """

    name: str
    user: str
    pollname: str
    truename: str
    mailboxes: tuple[str, ...] = ("INBOX",)
    elsewhere: tuple[str, ...] = ()
    keep: bool = False
    fetchall: bool = False
    flush: bool = False
    limit: int = 0
    limitflush: bool = False
    warnings: int = 0
    fetchlimit: int = 0
    expunge: int = 0
    check_only: bool = False
    retrieve_error: OnRetrieveError = OnRetrieveError.CONTINUE
    policy: Policy = Policy()
    same_user: str = ""
    by_ledger: bool = False
    delete_after: int = 0
    delete_limit: int = 0
    rules: Rules | None = None
    once: bool = False

    @property
    def action(self) -> Action:
        """What to do with an accepted message on the server."""
        return Action.MARK if self.keep else Action.DELETE
