"""Every kind of sink, in one table.

The option table, the checks of the rc file, ``-V``, the status lines and the polls read it. A new
kind of sink is one file with a function ``make`` and one row here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ...protocols.record import Record

if TYPE_CHECKING:
    from ...flows.sink import Sink
    from ...protocols.machine import Trace
    from ..config.settings import AccountSettings


class SinkOrder(Record):
    """What a sink is made from.

    ``value`` is that of the option which chose it. Messages that are too large for memory wait in
    ``spool_folder``. ``tracer`` returns the trace of a protocol, if the dialogue is shown.
    """

    value: str
    settings: AccountSettings
    hostname: str
    spool_folder: str
    postmaster: str
    invisible: bool
    tracer: Callable[[str], Trace | None]


class SinkKind:
    """One kind of sink. ``option`` is the option that chooses it.

    ``title`` stands in the status lines, and ``sentence`` in ``-V``: there ``{}`` is the value of
    the option. ``module`` has the function ``make``, which takes a SinkOrder and returns a Sink; it
    is imported with the first message. ``help`` is None where the option table has a row of its
    own. ``argument`` is the kind of the option's argument, and ``on`` its spelling on the command
    line. ``password`` is the option of the password that it needs, unless a ``plugout`` connects.
    ``strips_cr`` makes ``stripcr`` the default.
    """

    __slots__ = (
        "argument", "help", "module", "on", "option", "own", "password", "sentence", "strips_cr",
        "title",
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
    ) -> None:
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

    def is_chosen(self, settings: AccountSettings) -> bool:
        """Whether the user set the option."""
        return getattr(settings, self.option) not in {None, False}

    def make(self, order: SinkOrder) -> Sink:
        """Return a new sink. Raises PollFailed for settings that cannot work."""
        make = cast("Callable[[SinkOrder], Sink]", import_module(self.module).make)
        return make(order)


HERE = __name__.rpartition(".")[0]
SINKS: tuple[SinkKind, ...] = (
    SinkKind(
        "maildir", "Maildir", "stored in the Maildir {}", f"{HERE}.maildir",
        help="deliver into this Maildir", argument="path", strips_cr=True,
    ),
    SinkKind(
        "append", "APPEND", "stored in {}", f"{HERE}.append",
        help="store in imaps://USER@HOST[:PORT]/MAILBOX", password="appendpassword",  # noqa: S106
    ),
    SinkKind(
        "mbox", "mbox", "appended to the mailbox file {}", f"{HERE}.mbox",
        help="append to this mailbox file", argument="path", strips_cr=True,
    ),
    SinkKind(
        "bsmtp", "BSMTP", "written as batched SMTP to {}", f"{HERE}.bsmtp",
        help="write batched SMTP to this file", argument="path", on="--bsmtp FILE", own=False,
    ),
    SinkKind(
        "mda", "MDA", 'delivered with "{}"', f"{HERE}.mda",
        help="command that takes each message", on="-m --mda COMMAND", own=False, strips_cr=True,
    ),
    SinkKind("lmtp", "LMTP", "LMTP-forwarded to: {}", f"{HERE}.hunt_list"),
    SinkKind("smtphosts", "SMTP", "SMTP-forwarded to: {}", f"{HERE}.hunt_list"),
)  # fmt: skip
"""The first that is chosen has the mail. The last two speak to the listeners of ``smtphost``."""
LISTENERS = SINKS[-2:]
INSTEAD = SINKS[:-2]
"""Those that take mail instead of a listener."""


def chosen_sink(settings: AccountSettings) -> SinkKind:
    """Return the kind of sink that an account's mail goes to: SMTP unless one is chosen."""
    return next((kind for kind in SINKS if kind.is_chosen(settings)), SINKS[-1])


def sink_value(kind: SinkKind, settings: AccountSettings) -> str:
    """Return what the user wrote for this sink: a path, a command, an address, or listeners."""
    if kind in LISTENERS:
        return " ".join(settings.smtphosts or ("localhost",))
    return cast(str, getattr(settings, kind.option))


def name_of_sink(kind: SinkKind, settings: AccountSettings) -> str:
    """Return the name of this sink for the ledger, as the user wrote it."""
    word = kind.title.lower() if kind in LISTENERS else kind.option
    connects = kind in LISTENERS or kind.password
    # Without its plugout a host is another place.
    through = f" through {settings.plugout}" if settings.plugout and connects else ""
    return f"{word} {sink_value(kind, settings)}{through}"
