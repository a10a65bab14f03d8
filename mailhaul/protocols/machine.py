"""The base of all protocol machines: their interface, their buffers, and their errors.

Each machine adds its states (a Table), its commands and events, and the parsing and writing of its
lines. ``Client`` and ``Server`` (roles.py) hold the code that the machines of one role share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from .errors import LocalProtocolError, RemoteProtocolError
from .hidden import Hidden
from .input import InputBuffer
from .limits import Limits
from .outbox import Outbox
from .transitions import NoTransition, State, Table

ERROR: Final = State("error")
"""The state of a machine after the peer violated the protocol."""


class NeedData:
    """The type of NEED_DATA, its only instance: there is no event until more bytes arrive."""

    _instance: NeedData | None = None

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData()


class TlsDialogue(Protocol):
    """The input that all dialogues have."""

    def tls_started(self) -> None:
        """The TLS handshake is complete."""


SaidT = TypeVar("SaidT", contravariant=True)
HeardT = TypeVar("HeardT", covariant=True)
DialogueT = TypeVar("DialogueT", bound=TlsDialogue, covariant=True)


class Tap:
    """Observes a machine: its inputs and outputs, in order. Override what is of interest.

    ``line`` gets the dialogue as a log may show it. All other methods get commands, events and
    bytes as they are, secrets included: a tap that stores them has to mask the secrets itself.
    ``events`` are the types of the events that ``returned`` gets; None stands for all.
    """

    __slots__ = ()
    events: frozenset[type] | None = None

    def line(self, direction: str, line: bytes) -> None:
        """One line was sent (">") or received ("<"): without secrets, message text and line end."""

    def received(self, data: bytes) -> None:
        """Bytes arrived from the peer; the machine processes them next."""

    def handed_over(self, pieces: Sequence[bytes]) -> None:
        """The machine returned these bytes, to be sent to the peer."""

    def said(self, command: object) -> None:
        """The machine accepted a command, or in a server an event or a reply."""

    def told(self, news: str) -> None:
        """The method named ``news`` was called: ``receive_eof``, ``tls_started`` and so on."""

    def returned(self, event: object) -> None:
        """The machine returned an event."""

    def failed(self, fault: RemoteProtocolError) -> None:
        """The machine raised this error, for the first time or again."""


def tap_of_lines(tap: Tap | None) -> Tap | None:
    """Return the tap if it overrides ``line``. Lines are made only for such a tap."""
    return tap if tap is not None and type(tap).line is not Tap.line else None


def events_for(tap: Tap | None) -> frozenset[type] | None:
    """Return the types of the events that are passed to the tap; None stands for all."""
    return frozenset() if tap is None else tap.events


class Taps(Tap):
    """Several taps on one machine."""

    __slots__ = ("_taps",)

    def __init__(self, *taps: Tap) -> None:
        self._taps = taps

    def line(self, direction: str, line: bytes) -> None:
        """Pass it on."""
        for tap in self._taps:
            tap.line(direction, line)

    def received(self, data: bytes) -> None:
        """Pass it on."""
        for tap in self._taps:
            tap.received(data)

    def handed_over(self, pieces: Sequence[bytes]) -> None:
        """Pass it on."""
        for tap in self._taps:
            tap.handed_over(pieces)

    def said(self, command: object) -> None:
        """Pass it on."""
        for tap in self._taps:
            tap.said(command)

    def told(self, news: str) -> None:
        """Pass it on."""
        for tap in self._taps:
            tap.told(news)

    def returned(self, event: object) -> None:
        """Pass it on."""
        for tap in self._taps:
            if tap.events is None or type(event) in tap.events:
                tap.returned(event)

    def failed(self, fault: RemoteProtocolError) -> None:
        """Pass it on."""
        for tap in self._taps:
            tap.failed(fault)


class Machine(ABC, Generic[SaidT, HeardT, DialogueT]):
    """A protocol without a socket: bytes in, events out; commands in, bytes out."""

    def __init__(self, table: Table[DialogueT], limits: Limits, tap: Tap | None) -> None:
        self._tap = tap
        self._line_tap = tap_of_lines(tap)
        self._shown = events_for(tap)
        self._limits = limits
        self._place = table.begin()
        self._dialogue = table.dialogue(self._place)
        self._input = InputBuffer()
        self._outbox = Outbox()
        self._hidden = Hidden()
        # Events of bytes that were already parsed: few at a time. An empty deque would take 760
        # octets on every connection that waits.
        self._events: list[HeardT] = []
        self._ended = False
        self._drained = False
        self._fault: RemoteProtocolError | None = None

    @property
    def tap(self) -> Tap | None:
        """The observer of this machine, if any. It may be set at any time."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self._tap = tap
        self._line_tap = tap_of_lines(tap)
        self._shown = events_for(tap)
        self._tap_changed()

    @property
    def drained(self) -> bool:
        """Whether there is no event until something new comes: all that was received is parsed."""
        return self._drained

    @property
    def state(self) -> State:
        """The current state: one of the state table, or ``error``."""
        return ERROR if self._fault else self._place.state

    @property
    def failed(self) -> bool:
        """Whether the peer violated the protocol. Then ``next_event`` always raises the error."""
        return self._fault is not None

    @property
    @abstractmethod
    def outstanding(self) -> Sequence[object]:
        """The commands without a reply, oldest first."""

    @property
    def unsent(self) -> int:
        """The number of bytes that ``data_to_send`` would return now."""
        return self._outbox.size

    def receive_data(self, data: bytes) -> None:
        """Process bytes from the peer. After an error they are dropped."""
        if self._tap:
            self._tap.received(data)
        self._drained = False
        if self._fault is None:
            self._take(data)

    def receive_eof(self) -> None:
        """Record that the peer will send no more data."""
        self._take_note("receive_eof")
        self._ended = True

    def data_to_send(self) -> list[bytes]:
        """Return the bytes to send to the peer. Each call returns only new bytes."""
        pieces = self._hand_over()
        if self._tap and pieces:
            self._tap.handed_over(pieces)
        return pieces

    def send(self, command: SaidT) -> None:
        """Send a command, or in a server an event or a reply.

        Raises LocalProtocolError if it is not allowed now; then nothing is sent.
        """
        self._send(command)
        if self._tap:
            self._tap.said(command)

    def next_event(self) -> HeardT | NeedData:
        """Return the next event, or NEED_DATA.

        Raises RemoteProtocolError at the point of the error, and at every later call.
        """
        event: HeardT | NeedData | None
        if self._events:
            event = self._events.pop(0)
        elif self._fault:
            raise self._shown_to_tap(self._fault)
        elif self._drained:
            return NEED_DATA
        else:
            try:
                event = self._read()
                if event is None:
                    event = self._at_end() if self._ended else NEED_DATA
                    self._drained = event is NEED_DATA
            except RemoteProtocolError as fault:
                event = self._after(fault)
            except NoTransition:
                event = self._after(
                    RemoteProtocolError("a reply that is not allowed in this state")
                )
        if (self._shown is None or type(event) in self._shown) and event is not NEED_DATA:
            self._show_event(event)
        return event

    def tls_started(self) -> None:
        """Call this when the TLS handshake is complete. Earlier announcements no longer apply."""
        self._take_note("tls_started")
        self._start_tls()

    # Implemented by each machine

    @abstractmethod
    def _send(self, command: SaidT, /) -> None:
        """Send a command; see ``send``."""

    @abstractmethod
    def _read(self) -> HeardT | None:
        """Return the next event, or None until more data arrives.

        Further events of the same bytes are added to ``_events``. Raises RemoteProtocolError.
        """

    @abstractmethod
    def _at_end(self) -> HeardT | NeedData:
        """Return the event for the end of the input, once everything is parsed."""

    def _tap_changed(self) -> None:
        """React to a new tap, or to none."""

    def _start_tls(self) -> None:
        self._advance(TlsDialogue.tls_started, "the handshake")

    def _take(self, data: bytes) -> None:
        self._input.append(data)

    def _hand_over(self) -> list[bytes]:
        return self._outbox.take()

    # Used by the machines

    def _at(self, *states: State) -> bool:
        """Whether the current state is one of these."""
        return self._place.state in states

    def _moves(self, upon: Callable[[DialogueT], None]) -> bool:
        """Apply an input to the dialogue; return whether it is allowed in this state."""
        step: Callable[[], None] = getattr(self._dialogue, upon.__name__)
        try:
            step()
        except NoTransition:
            return False
        return True

    def _advance(self, upon: Callable[[DialogueT], None], what: str = "") -> None:
        """Apply an input of our own. Raises LocalProtocolError if it is not allowed now."""
        if not self._moves(upon):
            raise self._not_allowed(what or upon.__name__)

    def _not_allowed(self, what: str) -> LocalProtocolError:
        return LocalProtocolError(f"{what} is not allowed in state {self.state}")

    def _say(self, line: bytes, redacted: bytes | None = None) -> None:
        """Send a line; ``redacted`` is the line without its secrets, if it has any."""
        if self._line_tap:
            self._line_tap.line(">", line if redacted is None else redacted)
        self._outbox.put(line + b"\r\n")

    def _say_lines(self, lines: Sequence[bytes]) -> None:
        """Send lines without secrets together."""
        if self._line_tap:
            for line in lines:
                self._line_tap.line(">", line)
        self._outbox.put(b"\r\n".join([*lines, b""]))

    def _take_note(self, news: str) -> None:
        """Record that the method named ``news`` was called, after which there may be an event."""
        self._drained = False
        if self._tap:
            self._tap.told(news)

    # Errors

    def _after(self, fault: RemoteProtocolError) -> HeardT:
        """Return the event before an error that was just found, or raise the error."""
        self._fail(fault)
        if self._events:
            return self._events.pop(0)
        raise self._shown_to_tap(fault) from None

    def _show_event(self, event: object) -> None:
        if self._tap:
            self._tap.returned(event)

    def _shown_to_tap(self, fault: RemoteProtocolError) -> RemoteProtocolError:
        if self._tap:
            self._tap.failed(fault)
        return fault

    def _fail(self, fault: RemoteProtocolError) -> None:
        """React to an error in the received data. A client also stops sending."""
        self._keep_fault(fault)

    def _keep_fault(self, fault: RemoteProtocolError) -> None:
        """Stay in the error state permanently, and drop all further data."""
        fault.state = fault.state or self.state
        fault.line = b"" if self._may_echo_secret() else self._hidden.clean_cut(fault.line)
        self._fault = fault
        self._input.clear()

    def _may_echo_secret(self) -> bool:
        """Whether a secret was just sent, so that received data may echo a part of it."""
        return False
