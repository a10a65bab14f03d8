"""The requests that a flow may await; a runtime answers them.

A flow is an ordinary coroutine. Awaiting a request passes it to the driver that runs the
flow (``mailhaul.runtimes``), which waits and sends the answer back. So the same flow runs on
blocking sockets, under trio, and in the simulated runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..protocols.record import Record

if TYPE_CHECKING:
    from .channel import Channel, Program

T = TypeVar("T")


class Request(Record, Generic[T]):
    """A request to the runtime. Awaiting it returns a T."""

    def __await__(self) -> Generator[Request[Any], Any, T]:
        return cast(T, (yield self))


class Tcp(Record):
    """A TCP address: host name or literal address, and port number or service name."""

    host: str
    port: int | str


class UnixSocket(Record):
    """The path of a UNIX stream socket."""

    path: str


class Pipe(Record):
    """A child process used as a stream by its standard input and output; run without a shell."""

    argv: tuple[str, ...]


Address = Tcp | UnixSocket | Pipe


class Trust(Record):
    """How to verify a TLS peer (the options sslcertck, sslcertfile, sslproto, ...).

    ``hostname`` is the name to request (SNI) and to verify. ``fingerprint`` is upper-case hex with
    colons; its length selects MD5, as in fetchmail, or SHA-256.
    """

    hostname: str
    verify: bool = True
    ca_file: str | None = None
    ca_path: str | None = None
    certificate: str | None = None
    key: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    fingerprint: str | None = None


class Open(Request[None]):
    """Open a stream and attach it to the channel, within ``timeout`` seconds.

    Raises OpenFailed or TimedOut.
    """

    channel: Channel[Any]
    address: Address
    timeout: float


class UpgradeToTls(Request[None]):
    """Do the TLS handshake on the channel's stream. Raises TlsFailed or TimedOut."""

    channel: Channel[Any]
    trust: Trust
    timeout: float


class Wait(Request[None]):
    """Wait until one of these has input, end of input, room to write, or has exited.

    Pending output is written meanwhile, on every channel. A channel that is not listed is not
    read: that is backpressure. A channel that was full has room to write once no more than RELIEVED
    bytes are unwritten. Raises TimedOut after ``timeout`` seconds without any of these, also if
    nothing is listed; raises OpenFailed at once for a channel that is not open.
    """

    waitables: Sequence[Channel[Any] | Program]
    timeout: float


class Start(Request["Program"]):
    """Run a program with ``stdin`` (a file descriptor) as its input. Raises OpenFailed.

    With ``shell``, /bin/sh runs ``argv[0]`` with the other arguments as "$1", "$2", ... With
    ``captured`` its output is kept in ``output``, otherwise the program inherits our standard
    output and error.
    """

    argv: tuple[str, ...]
    stdin: int
    shell: bool = False
    captured: bool = True


class Close(Request[None]):
    """Close the channel's stream, or end the program, in any state.

    Pending output is still written if the peer accepts it within a short time.
    """

    target: Channel[Any] | Program


class Call(Request[T]):
    """Do blocking work (disk, name service) without delaying other flows; return its result."""

    work: Callable[[], T]


class LedgerCall(Call[T]):
    """Do a short piece of blocking work on an object that many flows share (the ledger).

    A runtime may run the calls of several flows together, in the order of their requests. It may
    run equal calls once for all of them, at the place of the last one.
    """


class Sleep(Request[None]):
    """Let this many seconds pass."""

    seconds: float


class Now(Request[float]):
    """Return the seconds of a monotonic clock."""


class RuntimeFault(Exception):
    """The runtime could not do what was requested. ``str()`` is the reason, for the user."""


class OpenFailed(RuntimeFault):
    """No stream could be opened, or no program started."""


class ArgumentsTooLong(OpenFailed):
    """The system does not accept so many octets of arguments; shorter ones may work."""


class NameNotFound(OpenFailed):
    """The host name has no address."""


class TlsFailed(RuntimeFault):
    """The TLS handshake failed, or the peer's certificate is not accepted."""


class TimedOut(RuntimeFault):
    """Nothing happened for ``seconds`` seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"timeout after {seconds:g} seconds")
        self.seconds = seconds
