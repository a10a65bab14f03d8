"""Every kind of sink, in one table.

The option table, the checks of the rc file, ``-V``, the status lines and the polls read it. A new
kind of sink is one file with a function ``make`` and one row here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ...protocols.record import Record

if TYPE_CHECKING:
    from ...flows.sink import Sink
    from ...protocols.machine import Tap
    from ...protocols.secret import Secret
    from ..config.settings import AccountSettings
    from ..ledger.uploads import Uploads
    from ..login.access import TokenSource


class SinkOrder(Record):
    """The arguments for a new sink.

    ``value`` is the value of the option that chooses the sink. Messages that are too large for
    memory are spooled in ``spool_folder``. ``tap_for`` takes the name of a protocol and returns its
    tap, or None if the dialogue is not shown. ``read_secret`` takes the name of a secret and a
    host, and returns the secret for that host, or None; it raises PollFailed (IOERR).
    ``tokens_for`` takes what a token is for (``imap``, ``smtp``), a user and a host, and returns
    the source of the tokens of that user there. ``uploads`` returns what the sink remembers in the
    ledger.
    ``levels`` is the name of the mailbox that the mail comes from, if the sink keeps their tree.
    """

    value: str
    settings: AccountSettings
    hostname: str
    spool_folder: str
    postmaster: str
    invisible: bool
    tap_for: Callable[[str], Tap | None]
    read_secret: Callable[[str, str], Awaitable[Secret | None]]
    tokens_for: Callable[[str, str, str], TokenSource]
    uploads: Callable[[], Uploads]
    levels: tuple[bytes, ...] = ()


class SinkKind:
    """One kind of sink. ``option`` is the option that chooses it.

    ``title`` is shown in the status lines and ``sentence`` by ``-V``; ``{}`` in it is the value of
    the option. ``module`` has the function ``make``, which takes a SinkOrder and returns a Sink; it
    is imported when the first message arrives. ``help`` is None if the option table has its own row
    for the option. ``argument`` is the kind of the option's argument, which every sink needs, and
    ``on`` the spelling on the command line, with a word for the argument: ``--bsmtp FILE``. ``own``
    means that fetchmail does not have the option. ``password`` names the option with the password,
    which is required unless ``plugout`` is set. ``runs`` means that the value is a command.
    ``strips_cr`` makes ``stripcr`` the default. With ``moves`` a message moves from one mailbox to
    another: its header stays as it is, and the sink gets its flags and its date.
    """

    __slots__ = (
        "argument", "help", "module", "moves", "on", "option", "own", "password", "runs",
        "sentence", "strips_cr", "title",
    )  # fmt: skip

    def __init__(
        self,
        option: str,
        title: str,
        sentence: str,
        module: str,
        *,
        help: str | None = None,
        argument: str = "text",
        on: str = "",
        own: bool = True,
        password: str = "",
        strips_cr: bool = False,
        moves: bool = False,
        runs: bool = False,
    ) -> None:
        if on and " " not in on:
            raise ValueError(f"{on}: the option of a sink needs an argument")
        self.option = option
        self.title = title
        self.sentence = sentence
        self.module = module
        self.help = help
        self.argument = argument
        self.on = on
        self.own = own
        self.password = password
        self.strips_cr = strips_cr
        self.moves = moves
        self.runs = runs

    def make(self, order: SinkOrder) -> Sink:
        """Return a new sink. Raises PollFailed for settings that cannot work."""
        make = cast("Callable[[SinkOrder], Sink]", import_module(self.module).make)
        return make(order)


PACKAGE = __name__.rpartition(".")[0]
SINKS: tuple[SinkKind, ...] = (
    SinkKind(
        "maildir", "Maildir", "stored in the Maildir {}", f"{PACKAGE}.maildir",
        help="deliver into this Maildir", argument="path", strips_cr=True,
    ),
    SinkKind(
        "append", "APPEND", "stored in {}", f"{PACKAGE}.append",
        help="store in imaps://USER@HOST[:PORT]/MAILBOX", password="appendpassword",  # noqa: S106
        moves=True,
    ),
    SinkKind(
        "gmail", "Gmail", "imported into the Gmail mailbox {}", f"{PACKAGE}.gmail",
        help="import into the Gmail mailbox with this address, by Google's API", moves=True,
    ),
    SinkKind(
        "mbox", "mbox", "appended to the mailbox file {}", f"{PACKAGE}.mbox",
        help="append to this mailbox file", argument="path", strips_cr=True,
    ),
    SinkKind(
        "bsmtp", "BSMTP", "written as batched SMTP to {}", f"{PACKAGE}.bsmtp",
        help="write batched SMTP to this file", argument="path", on="--bsmtp FILE", own=False,
    ),
    SinkKind(
        "mda", "MDA", 'delivered with "{}"', f"{PACKAGE}.mda",
        help="command that takes each message", on="-m --mda COMMAND", own=False, strips_cr=True,
        runs=True,
    ),
    SinkKind("lmtp", "LMTP", "LMTP-forwarded to: {}", f"{PACKAGE}.hunt_list"),
    SinkKind("smtphosts", "SMTP", "SMTP-forwarded to: {}", f"{PACKAGE}.hunt_list"),
)  # fmt: skip
"""The first one that the user chose is used. The last two use the listeners of ``smtphost``."""
LISTENERS = SINKS[-2:]
"""The sinks that use a listener."""
DIRECT_SINKS = SINKS[:-2]
"""The sinks that do not use a listener."""
UNSET = {None, False}
"""Values of an option that the user did not choose."""


def chosen_sink(settings: AccountSettings) -> SinkKind:
    """Return the kind of sink for an account: SMTP unless the user chose another.

    A listener that is the path of a UNIX socket speaks LMTP.
    """
    # A poll asks for it several times, so this is a plain loop.
    for kind in SINKS[:-1]:
        if getattr(settings, kind.option) not in UNSET:
            return kind
    on_socket = sink_value(SINKS[-1], settings).startswith("/")
    return SINKS[-2] if on_socket else SINKS[-1]


def sink_value(kind: SinkKind, settings: AccountSettings) -> str:
    """Return what the user wrote for this sink: a path, a command, a URL, or listeners."""
    if kind in LISTENERS:
        return " ".join(settings.smtphosts or ("localhost",))
    return cast(str, getattr(settings, kind.option))


def name_of_sink(kind: SinkKind, settings: AccountSettings) -> str:
    """Return the name of this sink for the ledger, as the user wrote it."""
    word = kind.option
    if kind in LISTENERS:
        word = "lmtp" if settings.lmtp else "smtp"
    connects = kind in LISTENERS or kind.password
    # With and without a plugout, the same name may mean different hosts.
    through = f" through {settings.plugout}" if settings.plugout and connects else ""
    return f"{word} {sink_value(kind, settings)}{through}"
