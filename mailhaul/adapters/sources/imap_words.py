"""What an IMAP server says to people: alerts reach the user, and complaints explain what follows.

RFC 3501, 7.1: the text of an ALERT must be presented to the user. And a server that falls silent
has often said before why.
"""

from __future__ import annotations

from collections.abc import Callable

from ...flows.channel import Channel
from ...flows.report import Report, Said
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import Logout
from ...protocols.imap.events import Completed, Condition, Event, Greeted, SaidBye, Status
from ...protocols.machine import NeedData, Trace
from ..login.access import shown

ALERT = b"ALERT"
MAX_ALERTS = 10
"""Different alerts that are shown of one poll."""


class AttentiveClient(ImapClient):
    """A client whose every event is shown to ``note`` first."""

    def __init__(self, trace: Trace | None, note: Callable[[Event], None]) -> None:
        super().__init__(trace=trace)
        self._note = note

    def next_event(self) -> Event | NeedData:
        """Return the next event, or NEED_DATA."""
        event = super().next_event()
        if isinstance(event, Status | Completed | Greeted | SaidBye):
            self._note(event)
        return event


class Words:
    """Tells the user what a server says to him, each alert once, until ``forget``."""

    def __init__(self, peer: str, report: Report) -> None:
        self._peer = peer
        self._report = report
        self._alerts: set[str] = set()
        self._channel: Channel[ImapClient] | None = None

    def client(self, trace: Trace | None) -> ImapClient:
        """Return a client that is listened to."""
        return AttentiveClient(trace, self.hear)

    def listen(self, channel: Channel[ImapClient]) -> None:
        """Let what is said explain what happens on this channel."""
        self._channel = channel

    def forget(self) -> None:
        """A new poll begins: what is said in it is shown once more."""
        self._alerts.clear()

    def hear(self, event: Event) -> None:
        """Take note of what a server says to people."""
        match event:
            case Completed(Logout()) | SaidBye():
                # A good-bye explains the end by itself, and after LOGOUT there is nothing left.
                self._alert(event)
            case Completed(_, Condition.OK, code, _) if code is None or code.name != ALERT:
                self._explain("")
            case Completed() | Status() | Greeted():
                alert = self._alert(event)
                if alert or (
                    not isinstance(event, Greeted) and event.condition is not Condition.OK
                ):
                    self._explain(shown(event.text))
            case _:
                pass

    def _alert(self, event: Completed | Status | Greeted | SaidBye) -> bool:
        """Show an alert to the user if it is new; return whether this is one."""
        if event.code is None or event.code.name != ALERT:
            return False
        text = shown(event.text)
        if text not in self._alerts and len(self._alerts) < MAX_ALERTS:
            self._alerts.add(text)
            self._report(Said(f"{self._peer}: the server says: {text}", error=True))
        return True

    def _explain(self, text: str) -> None:
        if self._channel:
            self._channel.remark = f"the server said before: {text}" if text else ""
