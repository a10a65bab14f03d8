"""Texts of an IMAP server for the user: show alerts, and keep the last error text.

RFC 3501, 7.1: the text of an ALERT must be presented to the user. The last error text often
explains why a server does not answer later.
"""

from __future__ import annotations

from ... import imap
from ...flows.channel import Channel
from ...flows.report import Remark, Report
from ..login.access import NoteRest, excerpt

ALERT = b"ALERT"
MAX_ALERTS = 10
"""The maximum number of different alerts shown in one poll."""
FOR_ALL = (imap.Login, imap.Authenticate, imap.Select)
"""Commands whose refusal concerns more than one message."""
OVER_LIMITS = frozenset({b"OVERQUOTA", b"THROTTLED"})
"""Codes of a refused FETCH that concern the account. No quota of storage is meant, as nothing is
stored. Gmail: "[OVERQUOTA] Account exceeded command or bandwidth limits"."""
WITH_TEXT: frozenset[type] = frozenset({imap.Completed, imap.Greeted, imap.SaidBye, imap.Status})
"""The events with a text for the user; most others have message text."""


class ServerTexts(imap.Tap):
    """Reports a server's alerts to the user. Each alert is reported once, until ``clear``."""

    __slots__ = (
        "_alerts", "_channel", "_note_rest", "_peer", "_refusal", "_report", "throttled",
    )  # fmt: skip
    events = WITH_TEXT

    def __init__(self, peer: str, report: Report, note_rest: NoteRest | None = None) -> None:
        self._peer = peer
        self._report = report
        self._note_rest = note_rest
        self.throttled = False
        """Whether the server sends no message now: it has named a time, or its limits."""
        self._alerts: list[str] = []
        self._refusal: imap.Completed | None = None
        self._channel: Channel[imap.Client] | None = None

    def client(self, tap: imap.Tap | None, *, read_only: bool = False) -> imap.Client:
        """Return a client whose events are observed, by ``tap`` as well."""
        return imap.Client(tap=imap.Taps(tap, self) if tap else self, read_only=read_only)

    def attach(self, channel: Channel[imap.Client]) -> None:
        """Set the channel whose ``remark`` gets the last error text."""
        self._channel = channel

    def clear(self) -> None:
        """Begin a new poll: alerts are reported again."""
        self._alerts.clear()
        self._refusal = None
        self.throttled = False

    def returned(self, event: object) -> None:
        """Handle an event of the client with a text for the user."""
        match event:
            case imap.Completed(imap.Login() | imap.Authenticate(), imap.Condition.NO):
                # The error about the login has this text, unless another method succeeds.
                self._refusal = event
                self._set_remark(excerpt(event.text))
                self._look_for_rest(event, for_all=True)
            case imap.Completed(imap.Login() | imap.Authenticate(), imap.Condition.OK) if (
                self._refusal is not None
            ):
                self._alert(self._refusal)
                self._refusal = None
                self.returned(event)
            case imap.Completed(imap.Logout()) | imap.SaidBye():
                # BYE contains its own explanation, and after LOGOUT none is needed.
                self._alert(event)
                if isinstance(event, imap.SaidBye) and not self._logs_out():
                    self._look_for_rest(event, for_all=True)
            case imap.Completed(_, imap.Condition.OK, code, _) if (
                code is None or code.name != ALERT
            ):
                self._set_remark("")
            case imap.Completed() | imap.Status() | imap.Greeted():
                alert = self._alert(event)
                if alert or (
                    not isinstance(event, imap.Greeted) and event.condition is not imap.Condition.OK
                ):
                    self._set_remark(excerpt(event.text))
                    command = event.command if isinstance(event, imap.Completed) else None
                    for_all = isinstance(command, FOR_ALL) or is_over_limits(event)
                    self._look_for_rest(event, for_all=for_all)
            case _:
                pass

    def _logs_out(self) -> bool:
        """Whether the BYE that comes is the usual one."""
        outstanding = self._channel.machine.outstanding if self._channel else ()
        return any(isinstance(command, imap.Logout) for command in outstanding)

    def _look_for_rest(
        self, event: imap.Completed | imap.Status | imap.Greeted | imap.SaidBye, *, for_all: bool
    ) -> None:
        """Pass on that the server wants a rest, if this text says so."""
        if self._note_rest is None:
            return
        from ..login.throttled import rest_wanted  # few replies are negative

        code = event.code.name if event.code else b""
        if wanted := rest_wanted(event.text, code, for_all=for_all):
            self.throttled = self.throttled or wanted.explicit or is_over_limits(event)
            self._note_rest(wanted)

    def _alert(self, event: imap.Completed | imap.Status | imap.Greeted | imap.SaidBye) -> bool:
        """Report an alert if it is new; return whether the event is an alert."""
        if event.code is None or event.code.name != ALERT:
            return False
        text = excerpt(event.text)
        if text not in self._alerts and len(self._alerts) < MAX_ALERTS:
            self._alerts.append(text)
            self._report(Remark(f"{self._peer}: the server says: {text}", error=True))
        return True

    def _set_remark(self, text: str) -> None:
        if self._channel:
            self._channel.remark = f"the server said before: {text}" if text else ""


def is_over_limits(event: object) -> bool:
    """Whether a message is refused because of what the account has fetched."""
    match event:
        case imap.Completed(imap.UidFetch(), _, code, _) if code is not None:
            return code.name.upper() in OVER_LIMITS
        case _:
            return False
