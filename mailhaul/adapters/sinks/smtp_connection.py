"""One connection to an SMTP or LMTP listener, and the transactions that wait for replies on it.

A verdict counts only if each reply belongs to its command. So RSET is sent after the final dot: the
reply to RSET cannot be a refusal, but after an extra reply, the reply to the text would be taken
for the reply to RSET. And a verdict is held until no command is outstanding: if a reply were
missing, the last command would stay unanswered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ... import smtp
from ...flows.channel import Channel, describe
from ...flows.requests import Address, Close, RuntimeFault, TimedOut, Wait
from ...protocols.errors import ProtocolError
from ...protocols.machine import NeedData
from ...protocols.smtp.client_states import body
from ...protocols.smtp.replies import OutOfStep
from ...protocols.smtp.reply_codes import is_positive
from ..login.smtp import reply_text

DOT_SECONDS = 600.0
"""Seconds that a server always has to reply to the end of the text (RFC 5321, 4.5.3.2)."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry of the hunt list. ``name`` is for messages, ``domain`` is added to local names."""

    name: str
    address: Address
    lmtp: bool
    domain: str


class Mismatch(Enum):
    """How replies and commands may have got out of step."""

    NONE = "none"
    MISSING_REPLY = "a reply is missing"
    EXTRA_ACCEPTANCE = "one acceptance too many"
    EXTRA_REFUSAL = "one refusal too many"


class Transaction(Protocol):
    """What a connection tells a mail transaction."""

    def handle_reply(self, answer: smtp.Answered) -> None:
        """The listener replied to one of this transaction's commands."""

    def release_verdict(self) -> None:
        """Every reply has arrived, so the held verdict is final."""

    def connection_lost(self, reason: str, mismatch: Mismatch = Mismatch.NONE) -> None:
        """No more replies will come."""


class SmtpConnection:
    """A connection that carries one transaction after another, with pipelining overlapping ones.

    ``timeout`` is the user's limit of each wait in seconds; the waits of this class may ask for a
    longer one.
    """

    def __init__(self, listener: Listener, channel: Channel[smtp.Client], timeout: float) -> None:
        self.listener = listener
        self.channel = channel
        self.machine = channel.machine
        """The protocol machine of the channel."""
        self._timeout = timeout
        self._transactions: deque[Transaction] = deque()
        self._held: list[Transaction] = []
        self.usable = False
        """Whether messages can be sent: the listener is ready, and the connection is not lost."""
        self.transaction_open = False
        """Whether MAIL was sent and the transaction has not been ended by a text or RSET."""
        self.has_accepted = False
        """Whether the listener has accepted anything on this connection."""
        self.out_of_step = False
        """Whether a reply came that no server gives to the command in question."""

    @property
    def pipelining(self) -> bool:
        """Whether the listener allows pipelining (RFC 2920)."""
        return b"PIPELINING" in self.machine.extensions

    @property
    def may_send_envelope(self) -> bool:
        """Whether the next envelope may be sent before the end of the last text is answered.

        It may not if a reply to it could be taken for the answer to that text.
        """
        texts = self.machine.outstanding_texts
        return not texts or not (self.machine.lmtp or isinstance(texts[0], smtp.Bdat))

    @property
    def in_text(self) -> bool:
        """Whether the text of a message is being sent."""
        return self.channel.open and self.machine.state is body

    # Transactions

    def add(self, transaction: Transaction) -> None:
        """Add a transaction, which will get the replies to its commands."""
        self._transactions.append(transaction)

    def remove(self, transaction: Transaction) -> None:
        """Remove a transaction that expects no more replies."""
        if transaction in self._transactions:
            self._transactions.remove(transaction)

    def hold_verdict(self, transaction: Transaction) -> None:
        """Hold the verdict of a transaction until every outstanding reply has arrived.

        If a reply were missing, each later reply would be taken for the reply to the previous
        command, and a reply to the next envelope could count as the acceptance of this message.
        """
        self.remove(transaction)
        self._held.append(transaction)

    # Replies

    def process_replies(self) -> None:
        """Process the replies that have arrived; they come in the order of the commands."""
        machine = self.machine
        if machine.drained:
            return
        try:
            while not isinstance(event := machine.next_event(), NeedData):
                match event:
                    case smtp.Answered() if self._transactions:
                        self._transactions[0].handle_reply(event)
                    case smtp.SaidGoodbye(reply):
                        self.lose(reply_text(reply))
                    case smtp.Closed():
                        self.lose("the connection was closed")
                    case _:
                        pass
        except OutOfStep as fault:
            self.out_of_step = True
            mismatch = Mismatch.MISSING_REPLY
            if fault.too_many:
                mismatch = (
                    Mismatch.EXTRA_ACCEPTANCE if is_positive(fault.code) else Mismatch.EXTRA_REFUSAL
                )
            self.lose(describe(self.channel, fault), mismatch)
        except ProtocolError as error:
            self.lose(describe(self.channel, error))
        if self._held and machine.expected is None:
            held, self._held = self._held, []
            for transaction in held:
                transaction.release_verdict()

    async def wait(self, timeout: float) -> None:
        """Wait until something happens, ``timeout`` seconds at least; then lose the connection."""
        try:
            await Wait([self.channel], max(self._timeout, timeout))
        except RuntimeFault as error:
            # After a timeout it is possible that an earlier reply was missing.
            mismatch = Mismatch.MISSING_REPLY if isinstance(error, TimedOut) else Mismatch.NONE
            self.lose(describe(self.channel, error), mismatch)
            await Close(self.channel)

    async def finish(self) -> None:
        """Wait until every transaction has its verdict."""
        self.process_replies()
        while self._held or self._transactions:
            await self.wait(DOT_SECONDS)
            self.process_replies()

    # The end

    def lose(self, reason: str, mismatch: Mismatch = Mismatch.NONE) -> None:
        """Give up the connection: the outstanding messages do not count as accepted.

        ``mismatch`` tells how replies and commands may have got out of step.
        """
        outstanding, self._transactions = self._transactions, deque()
        held, self._held = self._held, []
        self.usable = False
        for transaction in [*held, *outstanding]:
            transaction.connection_lost(reason, mismatch)

    async def drop(self, reason: str) -> None:
        """Close the connection at once."""
        self.lose(reason)
        await Close(self.channel)
