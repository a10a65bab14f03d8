"""All options, in one table.

The parser of the rc file, the command line, the defaults and the documentation use this table; the
spelling and the default of an option are defined only here.

This file is long because the table is: one entry for each of some hundred options.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..sinks.kinds import DIRECT_SINKS, SINKS
from .secret_table import COMMAND, MACHINE, SECRET_FILES, SECRETS, WAYS, SecretKind

GLOBAL: Final = "global"
SERVER: Final = "server"
USER: Final = "user"
RUN: Final = "run"
"""Levels: options after ``set``, of a server, of a user, and of this run (command line only)."""

FLAG: Final = "flag"
NUMBER: Final = "number"
TEXT: Final = "text"
PATH: Final = "path"
LIST: Final = "list"
NUMBERS: Final = "numbers"
HIDDEN: Final = "hidden"
PROTOCOL: Final = "protocol"
AUTH: Final = "auth"
SERVICE: Final = "service"
PORT: Final = "port"
ENVELOPE: Final = "envelope"
POLICY: Final = "policy"
LOGIN: Final = "login"
NAMES: Final = "names"
COUNT: Final = "count"
FORM: Final = "form"
OCTETS: Final = "octets"
SECONDS: Final = "seconds"
PERIOD: Final = "period"
DAY: Final = "day"
NAMED: Final = "named"
"""Kinds of argument. PATH is made absolute, SERVICE is a name or a number, PORT is a number, COUNT
is a flag that is counted, HIDDEN is a password, FORM is one of DUMP_FORMS or nothing. OCTETS and
SECONDS are numbers with a unit (``2500m``, ``90s``). PERIOD is a number of days or weeks (``30d``,
``4w``), DAY is a date or such a period. NAMED is a name and a text; the option may be repeated.
"""

FILE_OR_FOLDER: Final = "path"
LISTENER: Final = "listener"
HOST: Final = "host"
"""What a value leads to outside the program, in addition to COMMAND and MACHINE: a path, a listener
that may be one, the name of a host. See ``Option.leads_to``.
"""

GLUED: Final = "glued"
WORD: Final = "word"
"""Forms of negation: ``no keep`` and ``nokeep`` (GLUED), or only ``no ssl`` (WORD)."""

PROTOCOLS: Final = (
    "auto", "pop2", "pop3", "sdps", "apop", "rpop", "kpop", "imap", "etrn", "odmr",
)  # fmt: skip

AUTHS: Final = {
    "any": "any",
    "password": "password",
    "ssh": "ssh",
    "external": "external",
    "otp": "otp",
    "opie": "otp",
    "cram": "cram-md5",
    "cram-md5": "cram-md5",
    "gssapi": "gssapi",
    "ntlm": "ntlm",
    "msn": "msn",
    # As in fetchmail, this is version 4 in the rc file, but version 5 on the command line.
    "kerberos": "kerberos4",
    "kerberos4": "kerberos4",
    "kerberos_v4": "kerberos4",
    "kerberos5": "kerberos5",
    "kerberos_v5": "kerberos5",
    "oauth": "oauth",
    "oauthbearer": "oauthbearer",
    "xoauth2": "xoauth2",
}
"""Names for ``auth`` in the rc file, and the method that each stands for."""

OWN_AUTHS: Final = frozenset({"oauth", "oauthbearer", "xoauth2"})
"""Names that fetchmail 6.4 does not have."""

SUPPORTED_AUTHS: Final = frozenset(
    {"any", "password", "ssh", "cram-md5", "external", "oauth", "oauthbearer", "xoauth2"}
)
"""Login methods that this version supports; the others are refused by name."""

RC_FILE_AUTHS: Final = frozenset({"kerberos4", "kerberos5"})
"""Names that are not valid on the command line."""

DEFAULT_TIMEOUT: Final = 300
"""Seconds; 0 and negative values mean this too."""

OWN_PATHS: Final = (
    *(sink.option for sink in DIRECT_SINKS if sink.argument == PATH), *SECRET_FILES, "oauthkey",
    "storekeyfile", "trace",
)  # fmt: skip
"""Options with paths in which a leading ``~/`` means the caller's home folder. ``$`` in them is an
error, since no shell expands it.
"""

POLICIES: Final = ("accept", "reject")

SSL_PROTOS: Final = (
    "", "auto", "ssl23", "ssl3", "ssl3+", "tls1", "tls1+", "tls1.1", "tls1.1+", "tls1.2",
    "tls1.2+", "tls1.3", "tls1.3+",
)  # fmt: skip
"""Names of TLS versions in fetchmail 6.4, in upper or lower case; ``""`` means no STARTTLS."""

SSL_MODES: Final = ("none", "wrapped", "starttls=may", "starttls=must")

OAUTH_GRANTS: Final = ("code", "device", "client", "service")
"""How a token is got: authorization code, device flow, client credentials, service account."""

OAUTH_STORES: Final = ("file", "keyring", "store")
"""Where tokens are kept: in the state folder, in the keyring of the system, or in the store that
several machines share.
"""

OTHER_AUTHS: Final = ("password", "oauth")
"""How to log in where the mail goes to."""

RETRIEVE_ERRORS: Final = ("continue", "abort", "markseen")

DUMP_FORMS: Final = ("python", "json", "json,passwords")
"""Forms of the dump of the settings; the first is fetchmail's and the default."""


class Option:
    """One option. ``name`` is the attribute for its value in the settings.

    ``keywords`` are its spellings in the rc file, the usual one first. ``on`` and ``off`` are its
    spellings on the command line, short before long, separated by spaces; ``off`` is for flags
    only, and ``off_help`` describes it. ``own`` means that fetchmail 6.4 does not have the option.
    ``choices`` are the allowed values of a text option, if they are limited; an unknown value is an
    error, or ``fallback`` is used with a warning. ``leads_to`` says what a text names outside the
    program, which is what an account from a store may not choose freely (``rows``): "" for nothing.
    """

    __slots__ = (
        "argument", "choices", "default", "fallback", "help", "keywords", "kind", "leads_to",
        "level", "name", "negation", "off", "off_help", "on", "own",
    )  # fmt: skip

    def __init__(
        self,
        level: str,
        name: str,
        kind: str,
        default: object,
        help: str,
        *,
        keywords: str = "",
        negation: str = "",
        on: str = "",
        off: str = "",
        off_help: str = "",
        argument: str = "",
        own: bool = False,
        choices: tuple[str, ...] = (),
        fallback: str = "",
        leads_to: str = "",
    ) -> None:
        self.leads_to = FILE_OR_FOLDER if kind == PATH else leads_to
        self.level = level
        self.name = name
        self.kind = kind
        self.default = default
        self.help = help
        self.keywords: tuple[str, ...] = tuple((keywords or name).split()) if level != RUN else ()
        self.negation = negation
        self.on = on
        self.off = off
        self.argument = argument
        self.own = own
        self.off_help = off_help
        self.choices = choices
        self.fallback = fallback

    def choice(self, value: str) -> str | None:
        """Return the one of ``choices`` that a value matches, or None.

        Options with a ``fallback`` are not case-sensitive.
        """
        folded = value.lower() if self.fallback else value
        return folded if folded in self.choices else None


def _options_of(secret: SecretKind) -> Iterator[Option]:
    """Yield the options for a secret: itself, and each way to keep it outside the rc file."""
    level, name = secret.level, secret.name
    yield Option(level, name, HIDDEN, None, secret.help, keywords=secret.keywords, own=secret.own)
    for way in WAYS:
        help = way.help.format(secret.help)
        yield Option(
            level, name + way.suffix, way.argument, None, help, own=True, leads_to=way.leads_to
        )


OPTIONS: Final[tuple[Option, ...]] = (
    # This run.
    Option(RUN, "help", FLAG, False, "show this help", on="-? -h --help"),
    Option(RUN, "version", FLAG, False, "show version and settings", on="-V --version"),
    Option(RUN, "check", FLAG, False, "look for new mail, fetch nothing", on="-c --check"),
    Option(
        RUN, "dry_run", FLAG, False, "show what a poll would do, change nothing", on="--dry-run",
        own=True,
    ),
    Option(
        RUN, "json", FLAG, False, "print the result of --dry-run as JSON", on="--json", own=True
    ),
    Option(RUN, "silent", FLAG, False, "print nothing but errors", on="-s --silent"),
    Option(
        RUN, "verbose", COUNT, 0, "print the dialogue; twice prints more", on="-v --verbose"
    ),
    Option(RUN, "nodetach", FLAG, False, "stay in the foreground", on="-N --nodetach"),
    Option(
        RUN, "one_by_one", FLAG, False, "poll one account after the other", on="--one-by-one",
        own=True,
    ),
    Option(RUN, "quit", FLAG, False, "stop the background process", on="-q --quit"),
    Option(
        RUN, "rcfile", PATH, None, "read this rc file; - is the standard input",
        on="-f --fetchmailrc", argument="FILE",
    ),
    Option(
        RUN, "configdump", FORM, None, "print the settings and stop", on="--configdump",
        argument="[=python|json|json,passwords]",
    ),
    Option(
        RUN, "trace", PATH, None, "record the dialogue of all connections, without secrets",
        on="--transcript", argument="FILE", own=True,
    ),
    Option(
        RUN, "trace_bodies", FLAG, False, "include message texts in the transcript",
        on="--transcript-bodies",
        own=True,
    ),
    # After "set".
    Option(
        GLOBAL, "daemon", NUMBER, 0, "seconds between polls; 0 polls once",
        on="-d --daemon", argument="SECONDS",
    ),
    Option(
        GLOBAL, "logfile", PATH, None, "append messages to this file",
        on="-L --logfile", argument="FILE",
    ),
    Option(
        GLOBAL, "idfile", PATH, None, "fetchmail's file of UIDs",
        on="-i --idfile", argument="FILE",
    ),
    Option(
        GLOBAL, "pidfile", PATH, None, "lock file of the background process",
        on="--pidfile", argument="FILE",
    ),
    Option(
        GLOBAL, "postmaster", TEXT, None, "recipient of last resort; empty means none",
        on="--postmaster", argument="NAME",
    ),
    Option(
        GLOBAL, "bouncemail", FLAG, True, "bounces go to the sender, not to the postmaster",
        negation=GLUED, off="--nobounce", off_help="bounces go to the postmaster",
    ),
    Option(
        GLOBAL, "spambounce", FLAG, False, "bounce mail that the listener refuses as spam",
        negation=GLUED,
    ),
    Option(
        GLOBAL, "softbounce", FLAG, True, "keep mail that the listener refuses permanently",
        negation=WORD, on="--softbounce", off="--nosoftbounce",
        off_help="bounce and delete mail that the listener refuses permanently",
    ),
    Option(
        GLOBAL, "syslog", FLAG, False, "log to syslog", negation=WORD,
        on="--syslog", off="--nosyslog", off_help="do not log to syslog",
    ),
    Option(
        GLOBAL, "jsonlog", FLAG, False, "log in JSON, with a record for each message",
        negation=WORD, on="--jsonlog", off="--nojsonlog", off_help="log in plain lines", own=True,
    ),
    Option(
        GLOBAL, "invisible", FLAG, False, "add no Received line", negation=WORD,
        on="--invisible",
    ),
    Option(
        GLOBAL, "showdots", FLAG, False, "show progress dots while fetching", negation=WORD,
        on="--showdots",
    ),
    Option(
        GLOBAL, "progress", FLAG, True, "show bars on a terminal (with mailhaul[progress])",
        negation=WORD, on="--progress", off="--noprogress", off_help="print lines instead of bars",
        own=True,
    ),
    Option(
        GLOBAL, "maxconnections", NUMBER, 128, "most connections to one server at a time",
        on="--maxconnections", argument="NUMBER", own=True,
    ),
    Option(
        GLOBAL, "metrics", TEXT, None, "serve metrics and health over HTTP at HOST:PORT (daemon)",
        on="--metrics", argument="ADDRESS", own=True,
    ),
    Option(
        GLOBAL, "metricsanywhere", FLAG, False, "allow an address that other hosts can reach",
        negation=WORD, on="--metricsanywhere", own=True,
    ),
    Option(
        GLOBAL, "oauthstore", TEXT, "file", "where the tokens of OAuth are kept", own=True,
        choices=OAUTH_STORES,
    ),
    Option(
        GLOBAL, "store", HIDDEN, None, 'where the ledger is: "sqlite", or the URL of PostgreSQL',
        own=True,
    ),
    Option(
        GLOBAL, "lease", SECONDS, 30, "after so long without a sign, other machines take over",
        own=True,
    ),
    Option(
        GLOBAL, "storekeyfile", PATH, None, "the file with the key of the tokens in the store",
        own=True,
    ),
    Option(
        GLOBAL, "commands", NAMED, (), "a command that accounts of the store may name: @NAME",
        keywords="command", own=True,
    ),
    Option(
        GLOBAL, "storefolders", LIST, (), "folders that accounts of the store may use", own=True
    ),
    Option(
        GLOBAL, "storehosts", LIST, (), "hosts that accounts of the store may send tokens to",
        own=True,
    ),
    Option(GLOBAL, "properties", TEXT, None, "for other programs; ignored"),
    # Server options.
    Option(
        SERVER, "via", TEXT, None, "the host to connect to, if not the poll name", leads_to=HOST
    ),
    Option(SERVER, "aka", LIST, (), "other names of the server"),
    Option(
        SERVER, "localdomains", LIST, (), "domains whose addresses pass unchanged",
        keywords="localdomains local",
    ),
    Option(
        SERVER, "protocol", PROTOCOL, "auto", "the protocol to fetch mail with",
        keywords="protocol proto", on="-p --protocol --proto", argument="NAME",
    ),
    Option(
        SERVER, "service", SERVICE, None, "port number or service name",
        on="-P --service --port", argument="PORT",
    ),
    Option(SERVER, "service", PORT, None, "port number", keywords="port"),
    Option(
        SERVER, "auth", AUTH, "any", "how to log in",
        keywords="auth authenticate preauth preauthenticate", on="--auth", argument="NAME",
    ),
    Option(
        SERVER, "timeout", NUMBER, DEFAULT_TIMEOUT, "seconds to wait for a reply; 0 means 300",
        on="-t --timeout", argument="SECONDS",
    ),
    Option(SERVER, "interval", NUMBER, 0, "the daemon polls at this many times its interval"),
    Option(
        SERVER, "every", SECONDS, 0, "the daemon polls after this time: 90s, 5m, 1h", own=True
    ),
    Option(
        SERVER, "envelope", ENVELOPE, "Received", "header line that names the recipient",
        negation=GLUED, on="-E --envelope", argument="HEADER",
    ),
    Option(
        SERVER, "qvirtual", TEXT, None, "prefix to remove from envelope recipients",
        on="-Q --qvirtual", argument="PREFIX",
    ),
    Option(SERVER, "dns", FLAG, True, "ask the name service for aliases", negation=GLUED),
    Option(
        SERVER, "checkalias", FLAG, False, "compare addresses to find aliases", negation=GLUED
    ),
    Option(
        SERVER, "uidl", FLAG, False, "no effect; UIDs are always used (POP3)", negation=GLUED,
        on="-U --uidl",
    ),
    Option(
        SERVER, "interface", TEXT, None,
        "not supported; start mailhaul when the interface is up",
        on="-I --interface", argument="DEVICE", leads_to=MACHINE,
    ),
    Option(
        SERVER, "monitor", TEXT, None, "not supported; start mailhaul from a timer",
        on="-M --monitor", argument="DEVICE", leads_to=MACHINE,
    ),
    Option(
        SERVER, "plugin", TEXT, None, "command that connects to the server",
        on="--plugin", argument="COMMAND", leads_to=COMMAND,
    ),
    Option(
        SERVER, "plugout", TEXT, None, "command that connects to the listener",
        on="--plugout", argument="COMMAND", leads_to=COMMAND,
    ),
    Option(
        SERVER, "proxy", TEXT, None,
        "proxy to the server: socks5://[USER@]HOST[:PORT] or http://[USER@]HOST[:PORT]", own=True,
    ),
    Option(SERVER, "proxyout", TEXT, None, "the same to the listener, or for append", own=True),
    Option(
        SERVER, "bindaddress", TEXT, None, "address of this host to connect to the server from",
        own=True,
    ),
    Option(
        SERVER, "bindaddressout", TEXT, None, "the same to the listener, or for append", own=True
    ),
    Option(
        SERVER, "principal", TEXT, None, "no effect; accepted for compatibility",
        on="--principal", argument="NAME",
    ),
    Option(SERVER, "esmtpname", TEXT, None, "login at the listener"),
    Option(
        SERVER, "esmtpauth", TEXT, "password", "how to log in at the listener", own=True,
        choices=OTHER_AUTHS,
    ),
    Option(
        SERVER, "oauthissuer", TEXT, None,
        "who gives tokens: gmail, microsoft, or the URL of another issuer", own=True,
    ),
    Option(
        SERVER, "oauthgrant", TEXT, "code", "how a token is got", own=True, choices=OAUTH_GRANTS
    ),
    Option(SERVER, "oauthclient", TEXT, None, "client ID that the issuer gave you", own=True),
    Option(SERVER, "oauthtenant", TEXT, None, "tenant at Microsoft (common)", own=True),
    Option(SERVER, "oauthscope", LIST, (), "scopes to ask for, if not the usual ones", own=True),
    Option(
        SERVER, "oauthkey", PATH, None,
        "key of a service account (JSON), or certificate of the client with its key (PEM)",
        own=True,
    ),
    Option(
        SERVER, "tracepolls", FLAG, False, "name poll and account in the Received line",
        negation=WORD, on="--tracepolls",
    ),
    Option(
        SERVER, "bad_header", POLICY, "reject", "accept or reject malformed headers",
        keywords="bad-header", on="--bad-header", argument="POLICY",
    ),
    Option(
        SERVER, "retrieve_error", TEXT, "continue", "what to do if a message cannot be fetched",
        keywords="retrieve-error", own=True, choices=RETRIEVE_ERRORS,
    ),
    # User options.
    Option(
        USER, "remote_user", LOGIN, None, "login at the server",
        keywords="user username", on="-u --user --username", argument="NAME",
    ),
    *(option for kind in SECRETS.values() for option in _options_of(kind)),
    Option(USER, "local_names", NAMES, (), "local recipients", keywords="is to"),
    Option(
        USER, "folders", LIST, ("INBOX",), "mailboxes to fetch from",
        keywords="folder folders", on="-r --folder", argument="NAMES",
    ),
    Option(
        USER, "smtphosts", LIST, ("localhost",), "listeners, tried in turn",
        keywords="smtphost smtp", on="-S --smtphost", argument="HOSTS", leads_to=LISTENER,
    ),
    Option(
        USER, "fetchdomains", LIST, (), "domains to fetch mail for (ETRN, ODMR)",
        on="--fetchdomains", argument="DOMAINS",
    ),
    Option(
        USER, "smtpaddress", TEXT, None, "domain of the recipient at the listener",
        on="-D --smtpaddress", argument="DOMAIN",
    ),
    Option(
        USER, "smtpname", TEXT, None, "whole address of the recipient at the listener",
        on="--smtpname", argument="ADDRESS",
    ),
    Option(
        USER, "antispam", NUMBERS, (), "listener replies that mean spam",
        on="-Z --antispam", argument="CODES",
    ),
    *(
        Option(
            USER, sink.option, sink.argument, None, sink.help,
            on=sink.on.rpartition(" ")[0], argument=sink.on.rpartition(" ")[2], own=sink.own,
            leads_to=COMMAND if sink.runs else "",
        )
        for sink in SINKS
        if sink.help
    ),
    Option(
        USER, "mdasplit", FLAG, False, "pass each recipient to the mda as a separate argument",
        negation=GLUED, own=True,
    ),
    Option(
        USER, "mdaparallel", NUMBER, 1, "mda commands that may run at a time",
        on="--mdaparallel", argument="COUNT", own=True,
    ),
    Option(
        USER, "smtpparallel", NUMBER, 1, "connections to the SMTP or LMTP listener at a time",
        on="--smtpparallel", argument="COUNT", own=True,
    ),
    Option(
        USER, "appendauth", TEXT, "password", "how to log in for append", own=True,
        choices=OTHER_AUTHS,
    ),
    Option(
        USER, "gmaillabels", LIST, (), "labels of imported messages (INBOX UNREAD)", own=True
    ),
    Option(
        USER, "gmailneverspam", FLAG, False, "let Gmail put no imported message into Spam",
        negation=GLUED, own=True,
    ),
    Option(USER, "lmtp", FLAG, False, "speak LMTP to the listener", on="--lmtp"),
    Option(
        USER, "preconnect", TEXT, None, "command to run before connecting",
        keywords="preconnect pre", leads_to=COMMAND,
    ),
    Option(
        USER, "postconnect", TEXT, None, "command to run after the poll",
        keywords="postconnect post", leads_to=COMMAND,
    ),
    Option(
        USER, "onfailure", TEXT, None, "command to run when polls fail again and again",
        keywords="on-failure onfailure", own=True, leads_to=COMMAND,
    ),
    Option(
        USER, "onrecovery", TEXT, None, "command to run when polls succeed again",
        keywords="on-recovery onrecovery", own=True, leads_to=COMMAND,
    ),
    Option(
        USER, "ondelivery", TEXT, None, "command to run after a poll that has read messages",
        keywords="on-delivery ondelivery", own=True, leads_to=COMMAND,
    ),
    Option(
        USER, "alertmail", FLAG, True,
        "send a mail when polls fail and succeed again (off with on-failure or on-recovery)",
        negation=GLUED, own=True,
    ),
    Option(
        USER, "alertafter", NUMBER, 3,
        "failed polls in a row after which the user is told; 0 means never", own=True,
    ),
    Option(
        USER, "keep", FLAG, False, "leave fetched mail on the server", negation=GLUED,
        on="-k --keep", off="-K --nokeep", off_help="delete fetched mail from the server",
    ),
    Option(
        USER, "fetchall", FLAG, False, "fetch old mail too", negation=GLUED,
        on="-a --fetchall --all",
    ),
    Option(
        USER, "fetchread", FLAG, False, "fetch new mail even if marked as read (IMAP)",
        negation=GLUED, on="--fetchread", own=True,
    ),
    Option(
        USER, "leaveunread", FLAG, False, "keep fetched mail and do not mark it as read (IMAP)",
        keywords="leave-unread leaveunread", negation=GLUED, on="--leave-unread", own=True,
    ),
    Option(
        USER, "deleteafter", PERIOD, 0,
        "keep mail and delete it this long after delivery (30d, 4w)",
        keywords="delete-after deleteafter", on="--delete-after", argument="PERIOD", own=True,
    ),
    Option(
        USER, "deletelimit", NUMBER, 100, "messages that delete-after deletes in one poll",
        keywords="delete-limit deletelimit", on="--delete-limit", argument="COUNT", own=True,
    ),
    Option(
        USER, "since", DAY, None,
        "fetch only mail from this day on (2026-01-31, or 30d ago)",
        on="--since", argument="DAY", own=True,
    ),
    Option(
        USER, "only", LIST, (), 'fetch only mail with one of these header fields ("From: TEXT")',
        own=True,
    ),
    Option(
        USER, "excepted", LIST, (),
        'do not fetch mail with one of these header fields ("List-Id: TEXT")',
        keywords="except", own=True,
    ),
    Option(
        USER, "deduplicate", FLAG, True,
        "deliver a message once that the server calls the same in several folders (IMAP)",
        negation=GLUED, off="--nodeduplicate", own=True,
        off_help="deliver a message once for each folder that it is in",
    ),
    Option(
        USER, "keeptree", FLAG, False,
        "store each folder in a folder of its own (maildir, append)",
        keywords="keep-tree keeptree", negation=GLUED, on="--keep-tree", own=True,
    ),
    Option(
        USER, "flush", FLAG, False, "delete old mail on the server", negation=GLUED,
        on="-F --flush",
    ),
    Option(
        USER, "limitflush", FLAG, False, "delete oversized mail on the server",
        negation=GLUED, on="--limitflush",
    ),
    Option(
        USER, "rewrite", FLAG, True, "complete addresses without a host", negation=GLUED,
        off="-n --norewrite", off_help="leave addresses without a host as they are",
    ),
    Option(
        USER, "stripcr", FLAG, False, "remove carriage returns (on with mda)", negation=GLUED
    ),
    Option(USER, "forcecr", FLAG, False, "end every line with CRLF", negation=GLUED),
    Option(
        USER, "pass8bits", FLAG, False, "declare 8-bit text to the listener",
        keywords="pass8bits pass8", negation=GLUED,
    ),
    Option(USER, "dropstatus", FLAG, False, "remove Status lines", negation=GLUED),
    Option(USER, "dropdelivered", FLAG, False, "remove Delivered-To lines", negation=GLUED),
    Option(
        USER, "mimedecode", FLAG, False, "decode MIME encodings",
        keywords="mimedecode mimedec", negation=GLUED,
    ),
    Option(USER, "idle", FLAG, False, "wait for new mail (IMAP)", negation=GLUED, on="--idle"),
    Option(USER, "forceidle", FLAG, False, "not supported; use idle", own=True),
    Option(USER, "idletimeout", NUMBER, 0, "no effect; accepted for compatibility", own=True),
    Option(
        USER, "limit", NUMBER, 0, "skip messages with more octets; 0 means no limit",
        on="-l --limit", argument="OCTETS",
    ),
    Option(
        USER, "warnings", NUMBER, 3600, "seconds between warnings about skipped mail",
        on="-w --warnings", argument="SECONDS",
    ),
    Option(
        USER, "fetchlimit", NUMBER, 0, "messages per poll; 0 means no limit",
        on="-B --fetchlimit", argument="COUNT",
    ),
    Option(
        USER, "daylimit", OCTETS, 0,
        "octets to fetch in 24 hours, such as 2500m; 0 means no limit", own=True,
    ),
    Option(
        USER, "fetchsizelimit", NUMBER, 100, "no effect; accepted for compatibility",
        on="--fetchsizelimit", argument="COUNT",
    ),
    Option(
        USER, "fastuidl", NUMBER, 4, "no effect; accepted for compatibility",
        on="--fastuidl", argument="COUNT",
    ),
    Option(
        USER, "batchlimit", NUMBER, 0, "messages per listener connection; 0 means no limit",
        on="-b --batchlimit", argument="COUNT",
    ),
    Option(
        USER, "expunge", NUMBER, 0, "deletions between two expunges; 0 means at the end",
        on="-e --expunge", argument="COUNT",
    ),
    Option(
        USER, "ssl", FLAG, False, "encrypt from the first byte", negation=WORD, on="--ssl"
    ),
    Option(
        USER, "sslcertck", FLAG, True, "verify the server's certificate", negation=WORD,
        on="--sslcertck", off="--nosslcertck", off_help="accept any certificate of the server",
    ),
    Option(
        USER, "sslmode", TEXT, None, "when to use TLS, instead of ssl and sslproto", own=True,
        choices=SSL_MODES,
    ),
    Option(USER, "sslkey", PATH, None, "private key", on="--sslkey", argument="FILE"),
    Option(USER, "sslcert", PATH, None, "own certificate", on="--sslcert", argument="FILE"),
    Option(
        USER, "sslcertfile", PATH, None, "file of trusted certificates",
        on="--sslcertfile", argument="FILE",
    ),
    Option(
        USER, "sslcertpath", PATH, None, "folder of trusted certificates",
        on="--sslcertpath", argument="FOLDER",
    ),
    Option(
        USER, "sslproto", TEXT, None, "TLS version; empty means never STARTTLS",
        on="--sslproto", argument="VERSION", choices=SSL_PROTOS, fallback="auto",
    ),
    Option(
        USER, "sslcommonname", TEXT, None, "name expected in the certificate",
        on="--sslcommonname", argument="NAME",
    ),
    Option(
        USER, "sslfingerprint", TEXT, None, "expected MD5 or SHA-256 of the certificate",
        on="--sslfingerprint", argument="HEX",
    ),
    Option(USER, "properties", TEXT, None, "for other programs; ignored"),
)  # fmt: skip


SSLPROTO: Final = next(option for option in OPTIONS if option.name == "sslproto")


class Spelling:
    """The meaning of a keyword of the rc file: an option, and for a flag its value."""

    __slots__ = ("option", "value")

    def __init__(self, option: Option, value: bool) -> None:
        self.option = option
        self.value = value


def _spellings(*levels: str) -> dict[str, Spelling]:
    found: dict[str, Spelling] = {}
    for option in OPTIONS:
        if option.level in levels:
            yes = Spelling(option, True)
            found.update((word, yes) for word in option.keywords)
            if option.negation == GLUED:
                no = Spelling(option, False)
                found.update(("no" + word, no) for word in option.keywords)
    return found


GLOBAL_KEYWORDS: Final = _spellings(GLOBAL)
"""Words that may follow ``set``."""

ENTRY_KEYWORDS: Final = _spellings(SERVER, USER)
"""Words that begin an option of an entry, glued negations included."""

OWN_KEYWORDS: Final = frozenset(
    word
    for word, spelling in (*GLOBAL_KEYWORDS.items(), *ENTRY_KEYWORDS.items())
    if spelling.option.own
)
"""Keywords that are ordinary words in fetchmail 6.4, and here if a name or a value is expected."""
