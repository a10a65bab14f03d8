"""Send HTTP requests, as a flow: the same code on every runtime.

Redirects are not followed and nothing is repeated: only the caller knows whether a request may be
sent twice. Certificates are checked against the platform's store.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING

from ... import __version__
from ...flows.channel import Channel
from ...flows.host_names import BadHostName, ascii_host
from ...flows.outcome import ExitCode, PollFailed
from ...flows.pace import Pace
from ...flows.requests import Close, Open, RuntimeFault, Tcp, TimedOut, Trust, UpgradeToTls, Wait
from ...protocols.errors import LocalProtocolError, ProtocolError
from ...protocols.http import HttpRequest, HttpResponse, Url, parse_url
from ...protocols.proxy.address import BadProxy
from ...protocols.record import Record
from .proxies import proxy_for

if TYPE_CHECKING:
    from .machine import HttpConnection

TIMEOUT = 30.0
"""Seconds that a server may be silent; a whole response may take three times as long."""
MAX_BODY = 1024 * 1024
"""Octets of the body of a response."""
MISSING = "OAuth needs the package h11: install mailhaul[oauth]"


class HttpFailed(ProtocolError):
    """There is no response. ``str()`` names the server and the reason, in one sentence.

    ``sent`` is false if the server cannot have seen the request, so that it may be sent again.
    """

    def __init__(self, sentence: str, *, sent: bool) -> None:
        super().__init__(sentence)
        self.sent = sent


class HttpOptions(Record):
    """How to reach servers. ``timeout`` is in seconds, ``max_body`` in octets.

    ``ca_file`` takes the place of the platform's store. ``environment`` names the proxies.
    """

    timeout: float = TIMEOUT
    max_body: int = MAX_BODY
    ca_file: str | None = None
    environment: Mapping[str, str] = os.environ


class Upload:
    """A body that is sent while it is read: ``length`` octets, in pieces of any size.

    ``sent`` is true if all of it was sent before the response: a success that comes earlier cannot
    be about the whole body.
    """

    def __init__(self, length: int, pieces: Iterable[bytes] | AsyncIterator[bytes]) -> None:
        self.length = length
        self.pieces = pieces
        self.sent = False


async def fetch(request: HttpRequest, options: HttpOptions | None = None) -> HttpResponse:
    """Send one request on a connection of its own; return the response. Raises as HttpClient."""
    client = HttpClient(options)
    try:
        return await client.send(request, last=True)
    finally:
        await client.close()


class HttpClient:
    """Sends requests, one after the other, on one connection as long as the server keeps it.

    Close it at the end. Raises HttpFailed, PollFailed (IOERR) if h11 is not installed, and
    LocalProtocolError for a request that cannot be sent.
    """

    def __init__(self, options: HttpOptions | None = None) -> None:
        self._options = options or HttpOptions()
        self._channel: Channel[HttpConnection] | None = None
        self._authority = ""
        self._reusable = True

    async def send(
        self, request: HttpRequest, upload: Upload | None = None, *, last: bool = False
    ) -> HttpResponse:
        """Send a request; return the response. ``upload`` takes the place of the request's body.

        With ``last`` the server need not keep the connection open. If the server answers before the
        whole upload was sent, the rest is not sent.
        """
        url = parse_url(request.url)
        channel = await self._connected(url)
        begun = False
        try:
            head = request_fields(request, url, upload, last=last)
            channel.machine.send_head(request.method, url.target, head)
            begun = True
            await self._send_body(channel, request, upload)
            response = await self._response(channel)
        except LocalProtocolError:
            await self.close()
            raise
        except (ProtocolError, RuntimeFault) as error:
            await self.close()
            raise failure(url, channel, error, sent=begun) from None
        except Exception:
            # The upload could not be read.
            await self.close()
            raise
        except BaseException:
            # The flow is over; the runtime closes its connections.
            self._channel = None
            raise
        # Not closed here: no wait may come between an answer and what is done with it.
        self._reusable = not last and channel.machine.begin_next()
        return response

    async def close(self) -> None:
        """Close the connection, if one is open."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await Close(channel)

    async def _connected(self, url: Url) -> Channel[HttpConnection]:
        """Return a connection to the server of an address: the one that is open, or a new one."""
        authority = f"{url.scheme}://{url.authority}"
        if self._channel is not None and (
            not self._reusable or authority != self._authority or await has_news(self._channel)
        ):
            # An idle connection on which something arrives has ended, or is no longer usable.
            await self.close()
        if self._channel is None:
            channel = new_channel(url, self._options.max_body)
            channel.pace = Pace(channel.machine, self._options.timeout)
            try:
                await self._open(channel, url)
            except (ProtocolError, RuntimeFault) as error:
                await Close(channel)
                raise failure(url, channel, error, sent=False) from None
            self._channel, self._authority = channel, authority
        return self._channel

    async def _open(self, channel: Channel[HttpConnection], url: Url) -> None:
        """Open a connection, through the proxy if there is one, with TLS."""
        timeout = self._options.timeout
        try:
            proxy = proxy_for(url, self._options.environment)
            host = ascii_host(url.host)
        except (BadProxy, BadHostName) as error:
            raise RuntimeFault(str(error)) from None
        await Open(channel, Tcp(host, url.port, proxy), timeout)
        if url.scheme == "https":
            trust = Trust(url.host, ca_file=self._options.ca_file)
            await UpgradeToTls(channel, trust, timeout)

    async def _send_body(
        self, channel: Channel[HttpConnection], request: HttpRequest, upload: Upload | None
    ) -> None:
        machine = channel.machine
        if upload is None:
            if request.body:
                machine.send_data(request.body)
            machine.end()
            return
        left = upload.length
        # An async generator of our own, left before its end, would have to be closed again.
        if isinstance(upload.pieces, AsyncIterator):
            async for piece in upload.pieces:
                left -= len(piece)
                if await self._is_answered(channel, piece, last=not left):
                    return
        else:
            for piece in upload.pieces:
                left -= len(piece)
                if await self._is_answered(channel, piece, last=not left):
                    return
        machine.end()
        while machine.status is None:
            await Wait([channel], self._options.timeout)
        # If anything is left when the answer comes, it came too soon.
        upload.sent = not (channel.unwritten or machine.unsent or channel.failure)

    async def _is_answered(
        self, channel: Channel[HttpConnection], piece: bytes, *, last: bool
    ) -> bool:
        """Send some of the body, as fast as the server takes it.

        Return whether it has answered before the end of the body.
        """
        machine = channel.machine
        machine.send_data(piece)
        while channel.congested and machine.status is None:
            await Wait([channel], self._options.timeout)
        return machine.status is not None and not last

    async def _response(self, channel: Channel[HttpConnection]) -> HttpResponse:
        while (response := channel.machine.response()) is None:
            await Wait([channel], self._options.timeout)
        return response


def new_channel(url: Url, max_body: int) -> Channel[HttpConnection]:
    """Return a channel for a new connection. Raises PollFailed (IOERR) without h11."""
    try:
        from .machine import HttpConnection
    except ModuleNotFoundError:
        raise PollFailed(ExitCode.IOERR, MISSING) from None
    return Channel(url.host, HttpConnection(max_body))


async def has_news(channel: Channel[HttpConnection]) -> bool:
    """Whether something has arrived on a connection that is idle: its end, in most cases."""
    try:
        await Wait([channel], 0.0)
    except TimedOut:
        return False
    except RuntimeFault:
        return True
    return True


def request_fields(
    request: HttpRequest, url: Url, upload: Upload | None, *, last: bool
) -> list[tuple[str, str]]:
    """Return all fields of a request, its own ones last."""
    fields = [("Host", url.authority), ("User-Agent", user_agent())]
    if last:
        fields.append(("Connection", "close"))
    if upload is not None:
        fields.append(("Content-Length", str(upload.length)))
    elif request.body or request.method not in {"GET", "HEAD", "DELETE"}:
        fields.append(("Content-Length", str(len(request.body))))
    return [*fields, *request.fields]


def user_agent() -> str:
    """Return the name of this program (RFC 9110, 10.1.5)."""
    return f"mailhaul/{__version__}"


def failure(
    url: Url, channel: Channel[HttpConnection], error: Exception, *, sent: bool
) -> HttpFailed:
    """Return the error for a request without a response."""
    why = str(error)
    if channel.failure and channel.failure not in why:
        why = f"{why} ({channel.failure})"
    return HttpFailed(f"{url.host}: {why}", sent=sent)
