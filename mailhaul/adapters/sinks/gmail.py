"""A Gmail mailbox as a sink: each message is imported by Gmail's API (users.messages.import).

The narrowest permission that Google has for this, ``gmail.insert``, lets mailhaul add messages and
see nothing. One HTTPS connection is used for all messages of a poll. This file has the connection:
tokens, quotas and labels; what becomes of each message is in gmail_delivery.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from ...flows.channel import Channel, Endpoint
from ...flows.outcome import ExitCode, PollFailed, SinkUnavailable
from ...flows.requests import LedgerCall, Program, Sleep
from ...flows.sink import Declined, Delivery, Parcel, Sink
from ...protocols.errors import LocalProtocolError
from ...protocols.gmail import answers
from ...protocols.gmail.answers import BadToken, Denied, Later, Limited
from ...protocols.gmail.requests import Importer, MakeRequest, list_labels, names_in
from ...protocols.http import HttpResponse, parse_url
from ...protocols.machine import Tap
from ...protocols.oauth.providers import GMAIL_HOST, GMAIL_INSERT
from ...protocols.record import Record
from ...protocols.secret import Secret
from ..http.client import HttpClient, HttpFailed, HttpOptions, Upload
from .spool import SpoolTooSmall, new_spool, too_large_outcome

if TYPE_CHECKING:
    from .kinds import SinkOrder

MIN_TIMEOUT = 300.0
"""Seconds that Gmail always has for an answer, even if ``timeout`` is shorter."""
PAUSES = (1.0, 4.0)
"""Seconds before a request is sent again, if it has had no result."""
MAX_PAUSE = 60.0
"""Seconds that a poll waits for a quota at a time; if it takes longer, the poll ends."""
MAX_PAUSES = 120.0
"""Seconds that one poll waits for quotas in all."""
DAY_PAUSE = 3600
"""Seconds of rest when the quota of a day is used up, if Gmail does not say how long."""
MAX_REST = 24 * 3600
"""Seconds of the longest rest."""
MAX_FAILURES_IN_A_ROW = 2
"""Messages in a row without a result after which no more are tried."""
DEFAULT_LABELS = ("INBOX", "UNREAD")

AnswerT = TypeVar("AnswerT")


class Tokens(Protocol):
    """Where access tokens come from. The methods are flows; they raise PollFailed."""

    async def token(self) -> Secret:
        """Return an access token."""
        ...

    async def replacement(self, refused: Secret) -> Secret | None:
        """Return another token after Gmail has refused this one; None if there is none."""
        ...

    async def accepted(self) -> None:
        """Note that Gmail has accepted a token."""
        ...

    async def refused(self, words: str) -> str:
        """Note that Gmail refuses the token; return what helps, or ""."""
        ...


class UploadRecords(Protocol):
    """What the sink remembers in the ledger; see ``adapters.ledger.uploads``."""

    def now(self) -> float:
        """Return the Unix time."""
        ...

    def upload(self, name: str) -> str:
        """Return what was recorded of the upload of this offer, or ""."""
        ...

    def set_upload(self, name: str, text: str) -> None:
        """Record something about the upload of this offer."""
        ...

    @property
    def make_durable(self) -> Callable[[], None]:
        """What syncs to disk everything that was recorded so far."""
        ...

    def rest(self) -> tuple[float, str]:
        """Return the Unix time until which nothing may be sent, and the reason."""
        ...

    def set_rest(self, until: float, reason: str) -> None:
        """Record that nothing may be sent before this Unix time."""
        ...


class Target(Record):
    """Where messages go. ``labels`` are names or IDs. ``never_spam``: Gmail calls nothing spam."""

    importer: Importer
    labels: tuple[str, ...] = DEFAULT_LABELS
    never_spam: bool = False


def make(order: SinkOrder) -> Sink:
    """Return the sink for the address of ``gmail``."""
    settings = order.settings
    target = Target(
        Importer(order.value),
        tuple(filter(None, settings.gmaillabels or DEFAULT_LABELS)),
        settings.gmailneverspam,
    )
    # sslcertck and sslcertfile are for the source: Google's certificate is always checked.
    options = HttpOptions(timeout=max(float(settings.timeout), MIN_TIMEOUT))
    tokens = order.tokens_for(GMAIL_INSERT, order.value, GMAIL_HOST)
    return GmailSink(
        target, tokens, order.uploads(), order.spool_folder, options, order.tap_for("GMAIL")
    )


class GmailSink:
    """One Gmail mailbox. See ``mailhaul.flows.sink.Sink``.

    Messages go one after the other, so that they keep their order: an upload is finished, or given
    up, when ``complete`` returns.
    """

    keeps_return_path = True
    finds_offers = True
    lanes = 1
    gathers = False
    domain = ""

    def __init__(
        self,
        target: Target,
        tokens: Tokens,
        uploads: UploadRecords,
        spool_folder: str,
        options: HttpOptions,
        tap: Tap | None = None,
    ) -> None:
        self.target = target
        self.uploads = uploads
        self.spool_folder = spool_folder
        self._tokens = tokens
        self._http = HttpClient(options)
        self._tap = tap
        self._token: Secret | None = None
        self._replaced = False
        self._accepted = False
        self._labels: tuple[str, ...] | None = None
        self._pause = PAUSES[0]
        self._paused = 0.0
        self._failures: list[str] = []

    @property
    def user(self) -> str:
        """The address of the mailbox."""
        return self.target.importer.user

    # Failures in a row

    def count_failure(self, problem: str) -> None:
        """Count a message without a result; "" resets the count."""
        self._failures = [*self._failures, problem] if problem else []

    def check_failures(self) -> None:
        """Raise SinkUnavailable after too many failures in a row."""
        if len(self._failures) >= MAX_FAILURES_IN_A_ROW:
            raise self.unavailable(self._failures[-1])

    def unavailable(self, why: str) -> SinkUnavailable:
        """Return the error that ends the poll for now."""
        return SinkUnavailable(f"gmail: {self.user}: {why}")

    # The sink

    async def open(self) -> None:
        """Get a token, and the IDs of the labels. Raises PollFailed."""
        await self._check_rest()
        # It comes from a file, unless it has to be renewed; a poll may last longer than a token.
        self._token = await self._tokens.token()
        if self._labels is None:
            self._labels = await self._find_labels()

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises PollFailed (IOERR)."""
        from .gmail_delivery import GmailDelivery

        if self._labels is None:
            # A notice is sent without ``open``.
            await self.open()
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large_outcome(fault))
        return GmailDelivery(self, parcel, spool)

    def listening(self) -> Sequence[Channel[Endpoint] | Program]:
        """Return nothing: no verdict is awaited after ``complete``."""
        return ()

    async def hear_any(self) -> bool:
        """Return False: verdicts come in the order of the offers."""
        return False

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()

    # Labels

    def labels_for(self, flags: Iterable[bytes]) -> Sequence[str]:
        """Return the IDs of the labels of a message with these flags at the source."""
        folded = {flag.lower() for flag in flags}
        left = [one for one in self._labels or () if one != "UNREAD" or rb"\seen" not in folded]
        return [*left, "STARRED"] if rb"\flagged" in folded and "STARRED" not in left else left

    async def _find_labels(self) -> tuple[str, ...]:
        """Return the IDs of the labels that the user wants. Raises PollFailed."""
        wanted = self.target.labels
        unknown = names_in(wanted)
        if not unknown:
            return wanted
        answer = await self.ask(list_labels(self.target.importer), read_labels)
        if not isinstance(answer, answers.Found):
            raise PollFailed(
                ExitCode.AUTHFAIL,
                f"gmail: {self.user}: the ID of the label {unknown[0]} cannot be found:"
                f' {answer.words}; sign in again with "mailhaul login {self.user}" to allow it, or'
                " give its ID (Label_...) in gmaillabels",
            )
        missing = [name for name in unknown if name.lower() not in answer.names]
        if missing:
            raise PollFailed(
                ExitCode.SYNTAX,
                f"gmail: {self.user}: there is no label {missing[0]} (gmaillabels); make it in"
                " Gmail first",
            )
        return tuple(answer.names.get(name.lower(), name) for name in wanted)

    # Requests

    async def ask(
        self, request: MakeRequest, read: Callable[[HttpResponse], AnswerT | answers.Problem]
    ) -> AnswerT | answers.Refused:
        """Send a request that may be repeated, until there is a result. Raises PollFailed."""
        pauses = iter(PAUSES)
        while True:
            answer = await self.attempt(request, read)
            if isinstance(answer, Later):
                pause = next(pauses, None)
                if pause is None:
                    raise self.unavailable(answer.words)
                await Sleep(pause)
            elif not isinstance(answer, BadToken | Limited | Denied):
                return answer

    async def attempt(
        self,
        request: MakeRequest,
        read: Callable[[HttpResponse], AnswerT | answers.Problem],
        text: Upload | None = None,
    ) -> AnswerT | answers.Problem:
        """Send a request once; ``read`` returns what its answer means.

        After a refused token or a used-up quota (BadToken, Limited) the next attempt may be made at
        once: another token has been got, or the time has passed. Raises PollFailed.
        """
        if self._token is None:
            self._token = await self._tokens.token()
        made = request(self._token)
        self._show(">", f"{made.method} {parse_url(made.url).target.partition('?')[0]}")
        try:
            response = await self._http.send(made, text)
        except HttpFailed as error:
            self._show("<", str(error))
            return Later(str(error))
        except LocalProtocolError as error:
            raise PollFailed(ExitCode.PROTOCOL, f"gmail: {self.user}: {error}") from None
        self._show("<", str(response.status))
        answer = read(response)
        match answer:
            case BadToken(words):
                await self._replace_token(words)
            case Limited():
                await self._wait_for_quota(answer)
            case Denied():
                raise await self._denied(answer)
            case Later():
                pass
            case _:
                await self._note_accepted_token()
        return answer

    def _show(self, direction: str, line: str) -> None:
        if self._tap:
            self._tap.line(direction, line.encode("utf-8", "replace"))

    def note_stored(self) -> None:
        """Note that a message is in Gmail: the next one may have another token and short pauses.

        Not sooner: the requests of one message may succeed and fail in turn, and must end.
        """
        self._replaced, self._pause = False, PAUSES[0]

    async def _note_accepted_token(self) -> None:
        if not self._accepted:
            self._accepted = True
            await self._tokens.accepted()

    async def _replace_token(self, words: str) -> None:
        """Get another token. Raises PollFailed (AUTHFAIL) if there is none, or after the second."""
        refused = self._token
        other = None
        if refused is not None and not self._replaced:
            other = await self._tokens.replacement(refused)
        if other is None:
            advice = await self._tokens.refused(words)
            raise PollFailed(
                ExitCode.AUTHFAIL,
                f"gmail: {self.user}: the token is refused: {words}{'; ' * bool(advice)}{advice}",
            )
        self._token, self._replaced, self._accepted = other, True, False

    async def _denied(self, answer: Denied) -> PollFailed:
        """Return the error for an account that cannot import."""
        words = answer.words
        if answer.consent:
            await self._tokens.refused(words)
            words = f'consent needed: {words}; type "mailhaul login {self.user}"'
        code = ExitCode.SYNTAX if answer.settings else ExitCode.AUTHFAIL
        return PollFailed(code, f"gmail: {self.user}: {words}")

    # Quotas

    async def _check_rest(self) -> None:
        """Raise SinkUnavailable while the account rests."""
        until, reason = await LedgerCall(self.uploads.rest)
        left = until - self.uploads.now()
        # A clock that was set back does not make the rest longer.
        if 0 < left <= MAX_REST:
            raise self.unavailable(f"{reason}; {next_try(left)}")

    async def _wait_for_quota(self, limited: Limited) -> None:
        """Wait as long as Gmail says. Raises SinkUnavailable if that is too long for a poll."""
        seconds = max(self._pause, limited.seconds or 0)
        if limited.per_day and limited.seconds is None:
            seconds = DAY_PAUSE
        self._pause *= 2
        if limited.per_day or seconds > MAX_PAUSE or self._paused + seconds > MAX_PAUSES:
            rest = min(max(seconds, MAX_PAUSE), MAX_REST)
            until = self.uploads.now() + rest
            await LedgerCall(lambda: self.uploads.set_rest(until, limited.words))
            raise self.unavailable(f"{limited.words}; {next_try(rest)}")
        self._paused += seconds
        await Sleep(seconds)


def read_labels(response: HttpResponse) -> answers.Found | answers.Problem:
    """Return the labels; a token that may not see them is no trouble of the whole account."""
    answer = answers.labels(response)
    return answers.Refused(answer.words) if isinstance(answer, Denied) else answer


def next_try(seconds: float) -> str:
    """Return when the next try is made, in words."""
    minutes = max(1, round(seconds / 60))
    return f"the next try is in {minutes} minute{'s' if minutes > 1 else ''}"
