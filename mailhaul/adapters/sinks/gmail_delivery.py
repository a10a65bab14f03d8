"""One message on its way into Gmail, by a resumable upload.

Before the first octet is sent, the address of the upload's session is in the ledger. Whatever is
lost after that (an answer, the connection, this process, the power), the session is asked how far
it is before anything else is sent: it says that the message is stored, or where to go on. A text
goes to a session only if it is the one for which the session was begun. A session that has expired
can no longer be asked (Google keeps it for a week): then the message is sent again, because a
second copy is better than none. If the token has a wider scope, Gmail is searched before that.

===============================  ==================================================
what Gmail says                  what happens
===============================  ==================================================
stored                           the message is accepted
so many octets have arrived      the upload goes on there
the session is not known, or     a search, if allowed; then another session, once, and
the question is refused          the user is warned of two copies
the From field is not accepted   another session, for an insertion in place of an import
the message is not accepted      refused; the session is forgotten
nothing, or trouble of its own   the session is asked; after that the message waits
===============================  ==================================================
"""

from __future__ import annotations

import os
import re
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from ...flows.outcome import Outcome, PollFailed, Verdict
from ...flows.requests import Call, LedgerCall, Sleep
from ...flows.sink import Parcel
from ...flows.source import CompletionProof
from ...protocols.gmail import answers
from ...protocols.gmail.answers import Began, Gone, Incomplete, Later, Refused, Stored
from ...protocols.gmail.requests import (
    MAX_MESSAGE,
    Session,
    ask,
    ask_size,
    begin,
    saved_session,
    search,
    send_text,
)
from ...protocols.http import HttpResponse
from ...protocols.message.header import split_fields
from ...protocols.message.line_ends import Canonical
from ..http.client import Upload
from .gmail import PAUSES
from .spool import SpoolTooSmall, read_spool, write_spool

if TYPE_CHECKING:
    from .gmail import GmailSink

BLOCK = 256 * 1024
"""Octets that are sent at a time."""
MAX_ATTEMPTS = 50
"""Requests for one message in one poll."""
MAX_FOUND = 10
"""Messages with the same Message-ID whose sizes are compared."""
MESSAGE_ID = re.compile(rb"<([!-;=?-~]{1,500})>")
"""A Message-ID that Gmail can search for."""
MAYBE_TWICE = "its earlier upload had expired at Gmail, so it was sent again: it may be there twice"


class SpoolPieces:
    """The octets of a spool from ``offset``, in pieces."""

    def __init__(self, spool: int, offset: int, size: int, folder: str) -> None:
        self._spool = spool
        self._offset = offset
        self._size = size
        self._folder = folder

    def __aiter__(self) -> SpoolPieces:
        return self

    async def __anext__(self) -> bytes:
        offset, wanted = self._offset, min(BLOCK, self._size - self._offset)
        if not wanted:
            raise StopAsyncIteration
        piece = await Call(lambda: read_spool(self._spool, offset, wanted, self._folder))
        self._offset += len(piece)
        return piece


class GmailDelivery:
    """One message for Gmail. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: GmailSink, parcel: Parcel, spool: int) -> None:
        self._sink = sink
        self._parcel = parcel
        self._spool = spool
        self._text = Canonical()
        self._hash = sha256()
        self._size = 0
        self._verdict: Outcome | None = None
        self._labels: tuple[str, ...] = ()
        self._session: Session | None = None
        self._as_it_is = count_of_from(parcel.header) != 1
        self._restarted = False
        self._earlier = False

    # Text

    async def ready(self) -> bool:
        """Return True, unless Gmail gave no result several times. Raises SinkUnavailable."""
        self._sink.check_failures()
        return True

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. If there is no room, the message is refused.

        Raises PollFailed (IOERR).
        """
        if self._verdict is None:
            await self._write(self._text.feed(data))

    async def _write(self, data: bytes) -> None:
        if data and self._verdict is None:
            self._size += len(data)
            self._hash.update(data)
            try:
                await Call(lambda: write_spool(self._spool, data, self._sink.spool_folder))
            except SpoolTooSmall as fault:
                self._conclude(Verdict.REFUSED, str(fault))

    # Upload

    async def complete(self, proof: CompletionProof) -> None:
        """Import the message: ``proof`` shows that it is complete. Raises PollFailed."""
        await self._write(self._text.finish())
        if self._verdict is None and (reason := self._reason_to_refuse()):
            self._conclude(Verdict.REFUSED, reason)
        if self._verdict is not None:
            return
        self._labels = tuple(self._sink.labels_for(proof.marks.flags if proof.marks else ()))
        try:
            await self._upload()
        except PollFailed:
            await self.abandon()
            raise

    def _reason_to_refuse(self) -> str:
        """Return why Gmail would certainly refuse the message, or ""."""
        if self._size > MAX_MESSAGE:
            return f"{self._size} octets, but Gmail accepts {MAX_MESSAGE} at most"
        return "" if self._size else "the message is empty"

    async def _upload(self) -> None:
        """Send the message, or the rest of it. Raises PollFailed."""
        await self._look_up()
        # Not known for a session of an earlier run.
        offset = None if self._session else 0
        furthest, failures, attempts = 0, 0, 0
        while self._verdict is None:
            attempts += 1
            if attempts > MAX_ATTEMPTS:
                self._postpone("the upload is interrupted again and again")
                return
            if self._session is None:
                offset = 0
                if not await self._begin_upload():
                    return
                continue
            answer = await self._progress(self._session, offset)
            match answer:
                case Stored():
                    self._accept()
                case Incomplete(received) if not self._is_ours(self._session):
                    # It can never be finished: nobody has that text any more.
                    del received
                    self._session = None
                case Incomplete(received):
                    if received > furthest:
                        furthest, failures = received, 0
                    elif offset is not None:
                        failures += 1
                    offset = received
                    await self._pause(failures, "Gmail takes no more of the message")
                case Gone():
                    await self._restart()
                case Refused() if offset is None:
                    # It says nothing about the message: this session cannot be asked.
                    await self._restart()
                case Refused() if offset == 0 and not self._earlier:
                    await self._refuse(answer)
                case Refused():
                    # It may be about the offset: what an earlier run sent was still under way.
                    failures += 1
                    if failures > 1:
                        await self._refuse(answer)
                    offset = None
                case Later(words):
                    failures += 1
                    offset = None
                    await self._pause(failures, words)
                case _:
                    # Another token, or a quota that is free again.
                    offset = None

    async def _progress(
        self, session: Session, offset: int | None
    ) -> Stored | Incomplete | Gone | answers.Problem:
        """Ask the session, or send it the text from ``offset``."""
        read = partial(answers.progress, session=session)
        if offset is None:
            return await self._sink.attempt(ask(session), read)
        pieces = SpoolPieces(self._spool, offset, self._size, self._sink.spool_folder)
        text = Upload(self._size - offset, pieces)

        def read_all(response: HttpResponse) -> Stored | Incomplete | Gone | answers.Problem:
            answer = read(response)
            if isinstance(answer, Stored) and not text.sent:
                return Later("Gmail says OK before it has the whole message")
            return answer

        return await self._sink.attempt(send_text(session, offset), read_all, text)

    async def _look_up(self) -> None:
        """Find the session of an earlier run."""
        uploads, name = self._sink.uploads, self._parcel.name
        kept = await LedgerCall(lambda: uploads.upload(name)) if name else ""
        self._session = saved_session(kept, self._sink.target.importer)
        self._earlier = self._session is not None

    def _is_ours(self, session: Session) -> bool:
        return (session.size, session.digest) == (self._size, self._hash.hexdigest())

    async def _begin_upload(self) -> bool:
        """Begin an upload and record its session, durably; return False for a verdict."""
        target, size, digest = self._sink.target, self._size, self._hash.hexdigest()
        request = begin(
            *(target.importer, size, self._labels),
            never_spam=target.never_spam,
            as_it_is=self._as_it_is,
        )

        def read(response: HttpResponse) -> Began | answers.Problem:
            return answers.begun(response, target.importer, size, digest)

        answer = await self._sink.ask(request, read)
        if isinstance(answer, Refused):
            await self._refuse(answer)
            return self._verdict is None
        self._session = answer.session
        self._earlier = False
        await self._record(answer.session.text)
        return True

    async def _record(self, text: str) -> None:
        uploads, name = self._sink.uploads, self._parcel.name
        if name:
            await LedgerCall(lambda: uploads.set_upload(name, text))
            await LedgerCall(uploads.make_durable)

    async def _restart(self) -> None:
        """Go on after the loss of a session: the message may be stored, or not."""
        lost, self._session = self._session, None
        if self._restarted:
            self._postpone("Gmail forgets the upload again and again")
        elif lost and await self._finds(lost.size):
            self._accept()
        self._restarted = True

    async def _finds(self, size: int) -> bool:
        """Whether Gmail has a message with this Message-ID and this size.

        The scope ``gmail.insert`` allows no search: with such a token nothing is found.
        """
        fields = split_fields(self._parcel.header)
        named = next((one for one in fields if one.name.lower() == b"message-id"), None)
        name = MESSAGE_ID.search(named.raw) if named else None
        if name is None:
            return False
        sink, importer = self._sink, self._sink.target.importer
        answer = await sink.ask(search(importer, name[1].decode("ascii")), answers.found)
        for message in answer.messages[:MAX_FOUND] if isinstance(answer, answers.Found) else ():
            about = await sink.ask(ask_size(importer, message), answers.found)
            if isinstance(about, answers.Found) and about.size == size:
                return True
        return False

    # Verdict

    async def _pause(self, failures: int, words: str) -> None:
        """Wait before the next attempt; after the last one the message is postponed."""
        if failures > len(PAUSES):
            self._postpone(words)
        elif failures:
            await Sleep(PAUSES[failures - 1])

    def _postpone(self, words: str) -> None:
        self._sink.count_failure(words)
        self._conclude(Verdict.POSTPONED, words)

    async def _refuse(self, refused: Refused) -> None:
        """Conclude that Gmail does not take the message, if there is no other way for it."""
        await self._record("")
        if refused.is_about_from and not self._as_it_is:
            self._as_it_is, self._session = True, None
            return
        self._sink.count_failure("")
        self._conclude(Verdict.REFUSED, f"Gmail: {refused.words}")

    def _accept(self) -> None:
        self._sink.count_failure("")
        self._sink.note_stored()
        self._conclude(Verdict.ACCEPTED)

    async def outcome(self) -> Outcome:
        """Return the verdict."""
        return self._verdict or Outcome(Verdict.POSTPONED, "the delivery was abandoned")

    def known_outcome(self) -> Outcome | None:
        """Return the verdict if there is one."""
        return self._verdict

    async def abandon(self) -> None:
        """Discard the spool: without the end of the text Gmail stores nothing."""
        self._conclude(Verdict.POSTPONED, "the delivery was abandoned")

    def _conclude(self, verdict: Verdict, reason: str = "") -> None:
        if self._verdict is None:
            accepted = self._parcel.recipients if verdict is Verdict.ACCEPTED else ()
            results = tuple((r.decode("utf-8", "surrogateescape"), verdict) for r in accepted)
            warning = MAYBE_TWICE if accepted and self._restarted else ""
            self._verdict = Outcome(verdict, reason, results, warning=warning)
        self.release()

    def release(self) -> None:
        """Close the spool without waiting."""
        if self._spool >= 0:
            os.close(self._spool)
            self._spool = -1


def count_of_from(header: bytes) -> int:
    """Return how many From fields a header has: Gmail imports only mail with one."""
    return sum(one.name.lower() == b"from" for one in split_fields(header))
