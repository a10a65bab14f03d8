"""Gmail's API that goes wrong where it is told to: the service of the stand-in, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import h11

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Close, Sleep, Wait
from mailhaul.protocols.outbox import Outbox
from mailhaul.protocols.secret import Secret
from tests.real.servers.gmail import Request, Service
from tests.real.servers.gmail_uploads import Answer, Refused, bad_request

from .faults import Fault, Kind

if TYPE_CHECKING:
    from .world import World

USER = "joe@here"
PAGE = Answer(403, b"<html>Blocked by the firewall</html>", {"Content-Type": "text/html"})
BEGIN, TEXT, ASK = "gmail Begin", "gmail Text", "gmail Ask"


class Gone(Exception):
    """The connection ends."""


class Tokens:
    """Tokens of one poll: each is good until the service refuses it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._count = 0

    async def token(self) -> Secret:
        return self._next()

    def _next(self) -> Secret:
        self._count += 1
        name = f"token-{self._count}"
        self._service.allow(name, USER)
        return Secret(name.encode())

    async def replacement(self, refused: Secret) -> Secret | None:
        del refused
        return self._next() if self._count < 3 else None

    async def accepted(self) -> None:
        """Note nothing."""

    async def refused(self, words: str) -> str:
        del words
        return ""


class HttpPeer:
    """One connection. ``read`` returns the next request with its body."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER)
        self.outbox = Outbox()
        self.ended = False
        self.request: h11.Request | None = None
        self.body = bytearray()

    def receive_data(self, data: bytes) -> None:
        self._http.receive_data(data)

    def receive_eof(self) -> None:
        self.ended = True

    def data_to_send(self) -> list[bytes]:
        return self.outbox.take()

    @property
    def unsent(self) -> int:
        return self.outbox.size

    def read(self) -> bool:
        """Take what has come; return whether a request is complete."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self.request, self.body = event, bytearray()
            elif isinstance(event, h11.Data):
                self.body += event.data
            else:
                return isinstance(event, h11.EndOfMessage)

    def taken(self) -> tuple[Request, str]:
        """Return the request, and its target."""
        assert self.request
        target = self.request.target.decode()
        parts = urlsplit(target)
        headers = {name.decode(): value.decode() for name, value in self.request.headers}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(self.request.method.decode(), parts.path, query, headers), target

    def say(self, answer: Answer) -> None:
        """Send an answer, and be ready for the next request."""
        fields = {**answer.headers, "Content-Length": str(len(answer.body))}
        head = h11.Response(status_code=answer.status, headers=list(fields.items()))
        for one in (head, h11.Data(data=answer.body), h11.EndOfMessage()):
            self.outbox.put(self._http.send(one) or b"")
        self._http.start_next_cycle()
        self.request = None


class FaultyGmail:
    """One session of the world's Gmail."""

    def __init__(self, channel: Channel[HttpPeer], world: World) -> None:
        self._channel = channel
        self._machine = channel.machine
        self.world = world

    async def run(self) -> None:
        """Answer requests until the connection ends."""
        try:
            while True:
                while not self._machine.read():
                    if self._machine.ended:
                        raise Gone
                    await Wait([self._channel], 10_000.0)
                await self._serve()
        except Gone:
            pass
        finally:
            self.keep(len(self._machine.body))
        await Close(self._channel)

    async def _serve(self) -> None:
        request, _ = self._machine.taken()
        asks = request.method == "PUT" and not self._machine.body
        at = BEGIN if request.method == "POST" else ASK if asks else TEXT
        fault = self.world.due(at)
        if at == ASK and self.world.refuses_question:
            self.world.refuses_question = False
            self.refuse(bad_request("Invalid upload").answer())
        elif fault is None:
            self.obey()
        else:
            # What was said before is on its way.
            await Sleep(0)
            await self.world.act(fault)(self, fault)

    def obey(self) -> None:
        """Do and answer what was asked."""
        self._machine.say(self.done())

    def done(self) -> Answer:
        """Do what was asked; return the answer."""
        request, target = self._machine.taken()
        try:
            return self.world.gmail.answer(request, target, iter([bytes(self._machine.body)]))
        except Refused as refused:
            return refused.answer()

    def refuse(self, answer: Answer) -> None:
        """Answer without doing what was asked."""
        self._machine.say(answer)

    def keep(self, octets: int) -> None:
        """Keep some of a text whose connection ends, as Gmail does."""
        machine = self._machine
        if machine.request is None or machine.request.method != b"PUT" or not machine.body:
            return
        del machine.body[octets:]
        if machine.body:
            self.done()
        machine.request = None


Act = Callable[[FaultyGmail, Fault], Awaitable[None]]


async def hang_up(service: FaultyGmail, fault: Fault) -> None:
    service.keep(0)
    raise Gone


async def lose_answer(service: FaultyGmail, fault: Fault) -> None:
    service.done()
    service.keep(0)
    raise Gone


async def keep_half(service: FaultyGmail, fault: Fault) -> None:
    service.keep(fault.amount)
    raise Gone


async def fall_silent(service: FaultyGmail, fault: Fault) -> None:
    service.keep(0)
    await Sleep(4000.0)
    raise Gone


async def be_slow(service: FaultyGmail, fault: Fault) -> None:
    await Sleep(1.0 + fault.amount % 15)
    service.obey()


async def forget_uploads(service: FaultyGmail, fault: Fault) -> None:
    service.world.gmail.expire_sessions(404 if fault.amount % 2 else 410)
    service.obey()


def refusing(status: int, reason: str, words: str, **headers: str) -> Act:
    """Return what refuses like this."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    async def act(service: FaultyGmail, fault: Fault) -> None:
        service.refuse(Refused(status, reason, words, "global", fields).answer())

    return act


async def show_page(service: FaultyGmail, fault: Fault) -> None:
    trouble = Refused(503, "backendError", "Backend Error").answer()
    service.refuse(trouble if fault.amount % 2 else PAGE)


async def refuse_question(service: FaultyGmail, fault: Fault) -> None:
    """Lose the answer to a text, or the text, and say nothing of it afterwards."""
    if fault.amount % 2:
        service.done()
    service.keep(0)
    service.world.refuses_question = True
    raise Gone


ANYWHERE = (BEGIN, TEXT, ASK)
SENDING = (BEGIN, TEXT)
FAULTS = {
    "gmail hangs up": Kind("the connection ends before anything is done", ANYWHERE, hang_up),
    "gmail answer lost": Kind("it is done, and the answer is lost", ANYWHERE, lose_answer),
    "gmail half": Kind("only some octets of the text arrive", (TEXT,), keep_half),
    "gmail silence": Kind("nothing for an hour", ANYWHERE, fall_silent),
    "gmail slow": Kind("some seconds", ANYWHERE, be_slow),
    "gmail 401": Kind("another token", SENDING, refusing(401, "authError", "Invalid Credentials")),
    "gmail 429": Kind("too many requests", SENDING, refusing(429, "rateLimitExceeded", "Too fast")),
    "gmail rest": Kind(
        "too many requests, for long",
        ANYWHERE,
        refusing(403, "userRateLimitExceeded", "Too fast", retry_after="900"),
    ),
    "gmail 400": Kind("the message is refused", SENDING, refusing(400, "badRequest", "So it is")),
    "gmail From": Kind(
        "the sender is refused", SENDING, refusing(400, "invalidArgument", "Invalid From header")
    ),
    "gmail page": Kind("trouble, or a proxy answers", SENDING, show_page),
    "gmail no question": Kind("the question is refused", (TEXT,), refuse_question, copies=1),
    "gmail forgets": Kind("the uploads have expired", (TEXT, ASK), forget_uploads, copies=1),
}
