"""All that a flow may await: the questions that a runtime answers.

A flow is an ordinary coroutine. Awaiting a request hands it to the driver that runs the
flow (``mailhaul.runtimes``), which does the waiting and sends the answer back in. So the
same flow runs on blocking sockets, under trio, and in the simulated runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..protocols.record import Record

if TYPE_CHECKING:
    from .channel import Channel, Program

T = TypeVar("T")


class Request(Record, Generic[T]):
    """A question to the runtime whose answer is a T."""

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
    """A child process that speaks on its standard input and output, run without a shell."""

    argv: tuple[str, ...]


Address = Tcp | UnixSocket | Pipe


class Trust(Record):
    """Whom to believe over TLS (the user's sslcertck, sslcertfile, sslproto, ...).

    ``hostname`` is the name to ask for and to verify, ``fingerprint`` upper-case hex with
    colons (MD5, as fetchmail has it, or SHA-256 by its length).
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
    """Open a stream and attach it to the channel. Raises OpenFailed or TimedOut."""

    channel: Channel[Any]
    address: Address
    timeout: float


class UpgradeToTls(Request[None]):
    """Shake hands over the channel's stream. Raises TlsFailed or TimedOut."""

    channel: Channel[Any]
    trust: Trust
    timeout: float


class Wait(Request[None]):
    """Wait until one of these has news: input, end of input, room to write, or an exit.

    What is due to be written is written meanwhile, on every channel. Input of a channel
    that is not named stays where it is: that is backpressure. There is room to write on a channel
    that was full once no more than RELIEVED bytes of it are left. Raises TimedOut after
    ``timeout`` seconds without news, also where nothing is named; and OpenFailed at once for a
    channel that is not open, since nothing will come of it.
    """

    waitables: Sequence[Channel[Any] | Program]
    timeout: float


class Start(Request["Program"]):
    """Run a program with ``stdin`` (a file descriptor) as its input. Raises OpenFailed.

    ``shell`` runs ``argv[0]`` by /bin/sh with the other arguments as "$1", "$2", ... With
    ``captured`` what it prints is kept for its ``output``, else it goes where ours goes.
    """

    argv: tuple[str, ...]
    stdin: int
    shell: bool = False
    captured: bool = True


class Close(Request[None]):
    """Close the channel's stream, or end the program, whatever state it is in.

    What is due to be written still is, if the peer takes it within a short time.
    """

    target: Channel[Any] | Program


class Call(Request[T]):
    """Do blocking work (disk, name service) where it delays nobody else; return its result."""

    work: Callable[[], T]


class LedgerCall(Call[T]):
    """Do a short piece of such work on something that many flows share (the ledger).

    A runtime may do what several of them ask in one go, in the order in which they asked. What they
    ask in the same words, it may do once for all of them, where the last one asked.
    """


class Sleep(Request[None]):
    """Let this many seconds pass."""

    seconds: float


class Now(Request[float]):
    """Ask for the seconds of a clock that never jumps."""


class RuntimeFault(Exception):
    """The runtime could not do what was asked; ``str()`` says why, in plain words."""


class OpenFailed(RuntimeFault):
    """No stream could be opened, or no program started."""


class ArgumentsTooLong(OpenFailed):
    """The system does not take so many octets of arguments: others may fit."""


class NameNotFound(OpenFailed):
    """The host name has no address."""


class TlsFailed(RuntimeFault):
    """The handshake failed or the peer is not who it should be."""


class TimedOut(RuntimeFault):
    """Nothing happened for too long. ``seconds`` says how long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"timeout after {seconds:g} seconds")
        self.seconds = seconds
