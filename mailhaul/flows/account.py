"""What a poll needs to know of an account, whichever file or form it came from."""

from __future__ import annotations

from enum import Enum

from ..protocols.record import Record
from .fate import Policy


class Action(Enum):
    """What is owed at the server once a message was accepted."""

    DELETE = "delete"
    MARK = "mark"


class OnRetrieveError(Enum):
    """What a message does that the server cannot give us."""

    CONTINUE = "continue"
    """It stays, and those behind it are read."""
    ABORT = "abort"
    """It ends the poll."""
    MARKSEEN = "markseen"
    """It stays and is not asked for again."""


class Account(Record):
    """One remote user on one server, with the rules of its poll.

    ``name`` identifies the account in the ledger, and ``same_user`` is how such names begin for the
    same user of this protocol on whatever server ("" where no account may take over what another
    one knew). Of what patterns among ``mailboxes`` stand for, another poll sees to those
    ``elsewhere``. With ``by_ledger`` the ledger decides what is new, whatever the server calls
    read. ``limit`` is in octets, ``warnings`` in seconds; 0 means no limit for ``limit``,
    ``fetchlimit`` and ``expunge``.
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

    @property
    def action(self) -> Action:
        """What is done at the server with a message that was accepted."""
        return Action.MARK if self.keep else Action.DELETE
