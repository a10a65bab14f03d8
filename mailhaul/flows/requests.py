"""The requests that a flow may await, and what every runtime promises for each of them.

A flow is an ordinary coroutine. Awaiting a request passes it to the driver that runs the
flow (``mailhaul.runtimes``), which does the waiting and sends the answer back in. So the
same flow runs on blocking sockets, under trio or asyncio, and in the simulated runtime.

On every runtime: timeouts are in seconds, and TimedOut names the one that was given. When a flow
ends or is cancelled its streams are closed at once, with what has not been written, and its
programs are ended; so a flow that wants its output to arrive closes its channels itself. The tests
of this contract are in ``tests/runtimes/test_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ..protocols.record import Record

if TYPE_CHECKING:
    from ..protocols.proxy.address import Proxy
    from .channel import Channel, Endpoint

T = TypeVar("T")
AnswerT = TypeVar("AnswerT", covariant=True)


class Request(Record, Generic[AnswerT]):
    """A request to the runtime whose answer is an AnswerT."""

    def __await__(self) -> Generator[Request[object], Any, AnswerT]:
        answer: AnswerT = yield self
        return answer


Flow = Coroutine[Request[object], object, T]
"""What a runtime runs: a coroutine that awaits requests, with a T in the end."""


class Tcp(Record):
    """A TCP address: host name or literal address, and port number or service name.

    With a ``proxy`` it is reached through that; the proxy looks up the name. ``source`` is the
    literal address of this host that the connection comes from, if the user names one.
    """

    host: str
    port: int | str
    proxy: Proxy | None = None
    source: str | None = None

    @property
    def first_hop(self) -> Tcp:
        """What this host connects to: the proxy, if there is one."""
        return Tcp(self.proxy.host, self.proxy.port, source=self.source) if self.proxy else self


class UnixSocket(Record):
    """The path of a UNIX stream socket."""

    path: str


class Pipe(Record):
    """A child process used as a stream by its standard input and output; run without a shell."""

    argv: tuple[str, ...]


Address = Tcp | UnixSocket | Pipe


class Trust(Record):
    """Which peers to accept over TLS (the user's sslcertck, sslcertfile, sslproto, ...).

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


class Signal:
    """What one flow reports to others. It is set once and stays so."""

    __slots__ = ("_listeners", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._listeners: list[Callable[[], object]] = []

    def set(self) -> None:
        """Set it; flows that wait for it continue."""
        self.is_set = True
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` when it is set, or now. The runtime does so for a flow that waits."""
        if self.is_set:
            listener()
        else:
            self._listeners.append(listener)

    def ignore(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)


class Open(Request[None]):
    """Open a stream and attach it to the channel. Raises OpenFailed or TimedOut.

    The channel is open only after that, and after a proxy has connected to the server. Starting a
    child process takes no time, so ``timeout`` concerns only Tcp and UnixSocket.
    """

    channel: Channel[Endpoint]
    address: Address
    timeout: float


class UpgradeToTls(Request[None]):
    """Perform the TLS handshake on the channel's stream. Raises TlsFailed or TimedOut.

    Raises OpenFailed if the channel is not open or its stream breaks. After any of these the
    channel can only be closed.
    """

    channel: Channel[Endpoint]
    trust: Trust
    timeout: float


class Wait(Request[None]):
    """Wait until one of these has input, end of input, room to write, has exited, or is set.

    * Output is written on every open channel, named or not. Input is read only from the channels
      that are named; the rest stays where it is, which is backpressure.
    * A channel has room to write if it was congested before the Wait, and now the runtime holds no
      more than RELIEVED bytes of its output.
    * The end of input is news once. After that only room to write is.
    * A program that has ended is news at once, and at every Wait that names it, and so is a signal
      that is set. Input and output are served all the same.
    * Raises TimedOut after ``timeout`` seconds without news, also where nothing is named. News that
      are there already come before a timeout of 0.
    * Raises OpenFailed at once for a channel that is not open, or a program that this flow did not
      start: there can never be any news.
    """

    waitables: Sequence[Waitable]
    timeout: float


class Spawn(Request[None]):
    """Begin another flow beside this one. It advances whenever this one waits, until either ends.

    It uses the same channels and programs as this flow, and may not wait for the same ones at the
    same time. What it raises ends both. If this flow ends first, the other one is closed.
    """

    begin: Callable[[], Flow[None]]


STATUS_UNKNOWN = 256
"""The status of a program that has ended in an unknown way: SIGCHLD is ignored, or another part
of the process has waited for the program. It does not count as success."""


class Program:
    """A running program.

    ``status`` is None until the program ends; then it is a value as returned by
    os.waitstatus_to_exitcode, or STATUS_UNKNOWN. ``output`` is the end of what the program wrote
    to standard output and standard error.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.status: int | None = None
        self.output = b""


Waitable: TypeAlias = "Channel[Endpoint] | Program | Signal"
"""What a flow can wait for."""


class Start(Request[Program]):
    """Run a program with ``stdin`` (a file descriptor) as its input. Raises OpenFailed.

    ``shell`` runs ``argv[0]`` by /bin/sh with the other arguments as "$1", "$2", ... With
    ``captured`` the end of what it prints is kept for its ``output``, else it goes where ours goes.
    ``variables`` are added to its environment. With ``apart`` it can always be ended together with
    its children; it may then not ask questions at a terminal.
    """

    argv: tuple[str, ...]
    stdin: int
    shell: bool = False
    captured: bool = True
    variables: tuple[tuple[str, str], ...] = ()
    apart: bool = False


class Close(Request[None]):
    """Close the channel's stream, or end the program. Nothing happens if that was done before.

    Pending output is written first, for a short time (2 seconds); if the peer does not accept it
    by then, the rest is dropped. A program is terminated at once, and the child process of a
    channel if it has not ended by itself after 2 seconds; what is left 2 seconds later is killed.
    """

    target: Channel[Endpoint] | Program


class Call(Request[AnswerT]):
    """Do blocking work (disk, name service) where it delays no other flow; return its result.

    Output that is pending is sent first, as far as the peer accepts it at once, and no more until
    the work is done. What the work raises is raised in the flow. A cancellation waits for the end
    of the work, but only for a short time (2 seconds).
    """

    work: Callable[[], AnswerT]


class LedgerCall(Call[AnswerT]):
    """Do a short piece of blocking work on something that many flows share (the ledger).

    A runtime may run what several flows have requested in one batch, in the order of the requests.
    It may run equal work once for all of them, at the place of the last one.
    """


class Sleep(Request[None]):
    """Let this many seconds pass. Output is written meanwhile on every channel, as in a Wait."""

    seconds: float


class Now(Request[float]):
    """Return the seconds of a clock that never jumps. The simulated clock runs only in waits."""


class RuntimeFault(Exception):
    """The runtime could not do what was requested. ``str()`` is the reason, for the user."""


class OpenFailed(RuntimeFault):
    """No stream could be opened, or no program started."""


class ArgumentsTooLong(OpenFailed):
    """The system does not accept so many octets of arguments; shorter ones may work."""


class NameNotFound(OpenFailed):
    """The host name has no address."""


class TlsFailed(RuntimeFault):
    """The TLS handshake failed, or the peer's certificate is not accepted.

    ``fingerprint`` is that of a certificate which does not have the expected one.
    """

    def __init__(self, sentence: str, fingerprint: str = "") -> None:
        super().__init__(sentence)
        self.fingerprint = fingerprint


class TimedOut(RuntimeFault):
    """Nothing happened for ``seconds`` seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"timeout after {seconds:g} seconds")
        self.seconds = seconds
