"""The final settings: of the whole program, and of one account (one user on one server).

The defaults are those of the table in ``options``; an object stores only values that differ. These
classes are not dataclasses: with so many fields, defining one would take milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NoReturn, cast

from .errors import COMMAND_LINE, Place, Source
from .options import GLOBAL, OPTIONS, RUN, SERVER, USER
from .poll_kinds import IMAP, POP3, PollKind, poll_kind

if TYPE_CHECKING:
    from ...protocols.secret import Secret

Layer = Mapping[str, int]
"""Option names, and the offset in the file at which each was chosen."""

SMTP_PORT: Final = 25
_WELL_KNOWN: Final = {
    "pop3": POP3.port, "pop3s": POP3.tls_port, "imap": IMAP.port, "imaps": IMAP.tls_port
}  # fmt: skip


class _Settings:
    """Immutable values."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"settings do not change: {name}")

    def __repr__(self) -> str:
        values = (f"{name}={value!r}" for name, value in vars(self).items() if name[0] != "_")
        return f"{type(self).__name__}({', '.join(values)})"


class RunSettings(_Settings):
    """The options of this run. ``verbose`` is 0, 1 or 2; ``rcfile`` is a path or ``-``.

    ``quit_only`` means that ``quit`` was the last argument: the program only stops the daemon.
    """

    help: bool
    version: bool
    check: bool
    dry_run: bool
    json: bool
    silent: bool
    verbose: int
    nodetach: bool
    one_by_one: bool
    quit: bool
    quit_only: bool = False
    rcfile: str | None
    configdump: str | None
    trace: str | None
    trace_bodies: bool


class GlobalSettings(_Settings):
    """The options after ``set``, and their command line forms. ``daemon`` is in seconds.

    An empty ``postmaster`` means that there is no recipient of last resort. ``store`` is a URL,
    which may contain a password, or ``sqlite``; ``lease`` is in seconds.
    """

    daemon: int
    logfile: str | None
    idfile: str
    pidfile: str | None
    postmaster: str
    bouncemail: bool
    spambounce: bool
    softbounce: bool
    syslog: bool
    jsonlog: bool
    invisible: bool
    showdots: bool
    progress: bool
    maxconnections: int
    metrics: str | None
    metricsanywhere: bool
    oauthstore: str
    store: Secret | None
    lease: int
    storekeyfile: str | None
    commands: tuple[tuple[str, str], ...]
    storefolders: tuple[str, ...]
    storehosts: tuple[str, ...]
    properties: str | None

    _source: Source
    _layer: Layer = {}

    def place(self, name: str) -> Place:
        """Return the place where the option was chosen; by default, the command line."""
        offset = self._layer.get(name)
        return COMMAND_LINE if offset is None else self._source.place(offset)


class AccountSettings(_Settings):
    """All options of one user on one server.

    Text is decoded from UTF-8, with ``surrogateescape`` for other bytes. ``timeout``, ``warnings``
    and ``every`` are in seconds, ``interval`` in poll cycles, ``limit`` and ``daylimit`` in octets,
    of which 0 means no limit. ``protocol`` and ``auth`` are lower case, spelled as in ``options``.
    ``local_names`` are pairs of a remote and a local name; ``wildcard`` means that ``*`` was among
    them. ``sslproto`` is None if unset, which is different from empty. ``envelope`` is None if
    switched off. ``elsewhere`` are mailboxes that patterns in ``folders`` do not include,
    and ``several`` tells whether the entry may have more than one mailbox. ``from_store`` means
    that it is a row of the store, whose author does not own this machine (``rows``).
    ``fetchread`` means that over IMAP a message is new if the ledger does not know it, even if it
    is marked as read. ``deleteafter`` is in seconds, 0 for never; ``since`` is ``2026-01-31`` or
    ``30d``. ``known_as`` is the ``pollname`` of the first entry of the file that leads to
    the same mailboxes by the same route.
    """

    pollname: str
    known_as: str
    skip: bool
    elsewhere: tuple[str, ...] = ()
    several: bool = False
    from_store: bool = False

    via: str | None
    aka: tuple[str, ...]
    localdomains: tuple[str, ...]
    protocol: str
    service: int | str | None
    auth: str
    timeout: int
    interval: int
    every: int
    envelope: str | None
    envelope_skip: int = 0
    qvirtual: str | None
    dns: bool
    checkalias: bool
    uidl: bool
    interface: str | None
    monitor: str | None
    plugin: str | None
    plugout: str | None
    proxy: str | None
    proxyout: str | None
    proxypassword: Secret | None
    proxyoutpassword: Secret | None
    bindaddress: str | None
    bindaddressout: str | None
    principal: str | None
    esmtpname: str
    esmtppassword: Secret | None
    esmtpauth: str
    oauthissuer: str | None
    oauthgrant: str
    oauthclient: str | None
    oauthtenant: str | None
    oauthscope: tuple[str, ...]
    oauthkey: str | None
    oauthsecret: Secret | None
    oauthrefresh: Secret | None
    tracepolls: bool
    bad_header: str
    retrieve_error: str

    remote_user: str
    password: Secret | None
    local_names: tuple[tuple[str, str], ...]
    wildcard: bool = False
    folders: tuple[str, ...]
    smtphosts: tuple[str, ...]
    fetchdomains: tuple[str, ...]
    smtpaddress: str | None
    smtpname: str | None
    antispam: tuple[int, ...]
    mda: str | None
    bsmtp: str | None
    mdasplit: bool
    mdaparallel: int
    smtpparallel: int
    maildir: str | None
    append: str | None
    appendpassword: Secret | None
    appendauth: str
    gmail: str | None
    gmaillabels: tuple[str, ...]
    gmailneverspam: bool
    mbox: str | None
    lmtp: bool
    preconnect: str | None
    postconnect: str | None
    onfailure: str | None
    onrecovery: str | None
    ondelivery: str | None
    alertmail: bool
    alertafter: int
    keep: bool
    fetchall: bool
    fetchread: bool
    leaveunread: bool
    deleteafter: int
    deletelimit: int
    since: str | None
    only: tuple[str, ...]
    excepted: tuple[str, ...]
    deduplicate: bool
    keeptree: bool
    flush: bool
    limitflush: bool
    rewrite: bool
    stripcr: bool
    forcecr: bool
    pass8bits: bool
    dropstatus: bool
    dropdelivered: bool
    mimedecode: bool
    idle: bool
    forceidle: bool
    idletimeout: int
    limit: int
    warnings: int
    fetchlimit: int
    daylimit: int
    fetchsizelimit: int
    fastuidl: int
    batchlimit: int
    expunge: int
    ssl: bool
    sslcertck: bool
    sslmode: str | None
    sslkey: str | None
    sslcert: str | None
    sslcertfile: str | None
    sslcertpath: str | None
    sslproto: str | None
    sslcommonname: str | None
    sslfingerprint: str | None
    properties: str | None

    _source: Source | None = None
    _entry: int = -1
    _chosen: tuple[str, ...] = ()
    _offsets: Sequence[int] = ()
    _overridden: frozenset[str] = frozenset()
    _typed: bool = False

    @property
    def host(self) -> str:
        """The host to connect to, which is also the real name of the account's server."""
        return self.pollname if self.via is None else self.via

    @property
    def kind(self) -> PollKind:
        """The kind of poll that ``protocol`` stands for."""
        return poll_kind(self.protocol)

    @property
    def port(self) -> int | str:
        """The port to connect to: a number, or the name of a service that is not well known."""
        if self.service is not None:
            return _WELL_KNOWN.get(cast(str, self.service), self.service)
        return self.kind.tls_port if self.wrapped else self.kind.port

    @property
    def wrapped(self) -> bool:
        """Whether TLS begins with the first byte."""
        return self.ssl if self.sslmode is None else self.sslmode == "wrapped"

    @property
    def keeps(self) -> bool:
        """Whether fetched mail stays on the server, for a time at least."""
        return self.keep or self.leaveunread or self.deleteafter > 0

    @property
    def by_ledger(self) -> bool:
        """Whether the ledger decides which messages of an IMAP mailbox are new."""
        return (self.fetchread or self.leaveunread) and self.kind.family == "imap"

    @property
    def has_copies(self) -> bool:
        """Whether one message may be in several of the mailboxes, and should be delivered once."""
        if not (self.deduplicate and self.several and self.kind.family == "imap"):
            return False
        # With both of these everything is delivered in each poll.
        return not (self.fetchall and self.keeps)

    @property
    def multidrop(self) -> bool:
        """Whether the recipients of each message must be found in its header."""
        return self.wildcard or len(self.local_names) > 1

    @property
    def entry(self) -> int:
        """The offset of the entry in the file; negative if it is not in the file."""
        return self._entry

    def chose(self, name: str) -> bool:
        """Return whether the user chose this option, in the file or on the command line."""
        return name in self._overridden or name in self._chosen

    def chose_any(self, names: frozenset[str]) -> bool:
        """Return whether the user chose any of these options."""
        return not (names.isdisjoint(self._chosen) and names.isdisjoint(self._overridden))

    def place(self, name: str) -> Place:
        """Return the place where this option was chosen; by default, that of the entry."""
        if name in self._overridden or self._source is None:
            return COMMAND_LINE
        if name in self._chosen:
            return self._source.place(self._offsets[self._chosen.index(name)])
        return COMMAND_LINE if self._entry < 0 else self._source.place(self._entry)

    def with_password(self, password: Secret, *, typed: bool = False) -> AccountSettings:
        """Return the same settings with a password, which the user may have ``typed``."""
        return AccountSettings({**vars(self), "password": password, "_typed": typed})

    def as_row(self) -> AccountSettings:
        """Return the same settings for a row of the store."""
        return AccountSettings({**vars(self), "from_store": True})

    def with_secret(self, name: str, secret: Secret) -> AccountSettings:
        """Return the same settings with the secret of this name."""
        return AccountSettings({**vars(self), name: secret})

    @property
    def typed(self) -> bool:
        """Whether the user typed the password at the terminal: it is in no file."""
        return self._typed

    def with_folders(
        self, folders: Sequence[str], elsewhere: Sequence[str] = ()
    ) -> AccountSettings:
        """Return the same settings for these mailboxes.

        Patterns among them do not include ``elsewhere``, which are mailboxes of other polls.
        """
        names = {"folders": tuple(folders), "elsewhere": tuple(elsewhere)}
        if names == {"folders": self.folders, "elsewhere": self.elsewhere}:
            return self
        return AccountSettings({**vars(self), **names})

    def with_protocol(self, protocol: str) -> AccountSettings:
        """Return the same settings for one protocol."""
        return AccountSettings({**vars(self), "protocol": protocol})


def _install_defaults() -> None:
    # The first row of an option is used: "port" is a second row of "service".
    homes: tuple[tuple[type[_Settings], tuple[str, ...]], ...] = (
        (RunSettings, (RUN,)),
        (GlobalSettings, (GLOBAL,)),
        (AccountSettings, (SERVER, USER)),
    )
    for home, levels in homes:
        for option in OPTIONS:
            if option.level in levels and option.name not in vars(home):
                setattr(home, option.name, option.default)


_install_defaults()
