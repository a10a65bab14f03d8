"""getmail 6: its rc files, one for each account, in the format of Python's ``configparser``.

The parameters and their defaults are those of getmail's documentation, "Configuring getmail".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from ...protocols.secret import Secret
from ..config.writer import quote
from .ini import Section, read_sections
from .new_rcfile import (
    CLEAR,
    UNVERIFIED,
    WAS_CLEAR,
    WRAPPED,
    NewEntry,
    Translation,
    command_line,
    folder_sink,
    in_home,
    whole_number,
)

FOLDERS: Final = (".config/getmail", ".getmail")
DEFAULT_FILE: Final = "getmailrc"
RETRIEVER: Final = re.compile(r"(Simple|BrokenUIDL|Multidrop)(POP3|IMAP|SDPS)(SSL)?Retriever")
MDA_PLACEHOLDERS: Final = {"%(sender)": "%F", "%(recipient)": "%T"}
LMTP_PORT: Final = 2003
"""The port of a listener that names none."""


def translate(data: bytes, path: str, home: str) -> Translation:
    """Return what becomes of a getmailrc. Raises Untranslatable."""
    made = Translation(path)
    sections = read_sections(data, made)
    retriever = sections.get("retriever")
    if retriever is None:
        raise made.fail(1, 'there is no section "retriever"')
    try:
        entry = entry_of(retriever, made, home)
        for_destination(sections, entry, made, home)
        if options := sections.get("options"):
            for_options(options, entry, made)
        else:
            entry.user += ["keep", "fetchall"]
    except ValueError as fault:
        raise made.fail(retriever.line(), str(fault)) from None
    made.entries.append(entry)
    for name, section in sections.items():
        if name.startswith("filter"):
            made.note(section.line(), f'the section "{name}" is not translated: an mda may filter')
    made.close()
    return made


def entry_of(retriever: Section, made: Translation, home: str) -> NewEntry:
    """Return the entry for a retriever. Raises Untranslatable and ValueError."""
    kind = RETRIEVER.fullmatch(retriever.text("type"))
    if not kind:
        problem = f'the type "{retriever.text("type")}" of the retriever is unknown'
        raise made.fail(retriever.line("type"), problem)
    protocol = {"POP3": "pop3", "IMAP": "imap", "SDPS": "sdps"}[kind[2]]
    entry = NewEntry(retriever.text("server"), protocol, retriever.line())
    entry.name = retriever.text("username")
    if not entry.host:
        raise made.fail(retriever.line(), "the retriever has no server")
    if kind[1] == "BrokenUIDL":
        made.note(retriever.line("type"), "mailhaul keeps no mail on a server without UIDL")
    if kind[1] == "Multidrop" and protocol != "sdps":
        for_multidrop(retriever, entry, made)
    for_login(retriever, entry, made)
    for_connection(retriever, entry, made, home, wrapped=bool(kind[3]))
    if protocol == "imap":
        for_imap(retriever, entry, made)
    for key in retriever.left():
        made.note(retriever.line(key), f'"{key}" is not translated')
    return entry


def for_multidrop(retriever: Section, entry: NewEntry, made: Translation) -> None:
    """Write where the recipient is found. getmail counts fields from 1, fetchmail skips some."""
    field, _, number = retriever.text("envelope_recipient").partition(":")
    skip = (whole_number(number) or 1) - 1
    entry.server.append(
        f"envelope {skip} {quote(field)}" if skip > 0 else f"envelope {quote(field)}"
    )
    entry.recipient = "*"
    problem = 'a mailbox of several recipients: name its domains with "localdomains"'
    made.note(retriever.line("envelope_recipient"), problem)


def for_login(retriever: Section, entry: NewEntry, made: Translation) -> None:
    """Write how to log in. Raises ValueError."""
    if password := retriever.text("password"):
        entry.password = Secret(password.encode("utf-8", "surrogateescape"))
        entry.password_line = retriever.line("password")
    if (command := retriever.words("password_command")) and not password:
        entry.user.append(f"passwordeval {quote(command_line(command))}")
    if not (password or command):
        problem = (
            f"there is no password; one in the keyring is: passwordkeyring {quote(entry.host)}"
        )
        made.note(retriever.line("username"), problem)
    if retriever.is_on("use_apop", False):
        entry.protocol = "apop"
    if retriever.is_on("use_cram_md5", False):
        entry.server.append("auth cram-md5")
    if retriever.is_on("use_xoauth2", False):
        entry.server.append("auth xoauth2")
    if retriever.is_on("use_kerberos", False):
        made.note(retriever.line("use_kerberos"), '"use_kerberos" is not translated')
    retriever.text("use_netrc")


def for_connection(
    retriever: Section, entry: NewEntry, made: Translation, home: str, *, wrapped: bool
) -> None:
    """Write port, timeout and TLS. Raises ValueError."""
    if port := retriever.number("port"):
        entry.server.append(f"service {port}")
    if timeout := retriever.number("timeout"):
        entry.server.append(f"timeout {timeout}")
    if entry.set_tls(WRAPPED if wrapped else CLEAR):
        made.note(retriever.line("type"), WAS_CLEAR)
    paths = {"ca_certs": "sslcertfile", "keyfile": "sslkey", "certfile": "sslcert"}
    for key, option in paths.items():
        if path := retriever.text(key):
            entry.user.append(f"{option} {quote(in_home(os.path.expandvars(path), home))}")
    prints = retriever.words("ssl_fingerprints")
    if len(prints) == 1:
        entry.user.append(f"sslfingerprint {quote(prints[0])}")
    elif prints:
        problem = '"ssl_fingerprints": only one can be given with sslfingerprint'
        made.note(retriever.line("ssl_fingerprints"), problem)
    if name := retriever.text("ssl_cert_hostname"):
        entry.user.append(f"sslcommonname {quote(name)}")
    if wrapped and not (retriever.text("ca_certs") or prints):
        made.note(retriever.line("type"), UNVERIFIED)


def for_imap(retriever: Section, entry: NewEntry, made: Translation) -> None:
    """Write the mailboxes, and who decides what is new. Raises ValueError."""
    if retriever.text("mailboxes") == "ALL":
        entry.user.append('folder "*"')
    elif mailboxes := retriever.words("mailboxes"):
        entry.user.append(f"folder {' '.join(map(quote, mailboxes))}")
    search = retriever.text("imap_search").upper().strip("()")
    if search not in {"", "ALL", "UNSEEN"}:
        made.note(retriever.line("imap_search"), '"imap_search" is not translated')
    if search != "UNSEEN":
        # getmail decides by its own list: whether a message was read elsewhere does not matter.
        entry.user.append("fetchread")
    retriever.text("record_mailbox")
    if retriever.is_on("use_peek", True):
        made.note(retriever.line("use_peek"), "messages that are kept are marked as read")


def for_destination(
    sections: Mapping[str, Section], entry: NewEntry, made: Translation, home: str
) -> None:
    """Write the sink, if there is one that does the same. Raises ValueError."""
    section = sections.get("destination")
    if section is None:
        return
    if section.text("type") == "MultiDestination":
        targets = section.words("destinations")
        name = targets[0].strip("[]") if len(targets) == 1 else ""
        if not name:
            made.note(section.line("destinations"), "several destinations are not translated")
            return
        if targets[0].startswith("["):
            section = sections.get(name, section)
        else:
            word = "maildir" if name.endswith("/") else "mbox"
            entry.sink = folder_sink(word, os.path.expandvars(name), home)
            return
    rule = SINKS.get(section.text("type"))
    if rule is None:
        problem = f'the destination "{section.text("type")}" is not translated'
        made.note(section.line("type"), problem)
        return
    entry.sink = rule(section, entry, home)
    for key in section.left():
        made.note(section.line(key), f'"{key}" of the destination is not translated')


def maildir(section: Section, entry: NewEntry, home: str) -> str:
    """Return the sink for a Maildir."""
    del entry
    return folder_sink("maildir", os.path.expandvars(section.text("path")), home)


def mbox(section: Section, entry: NewEntry, home: str) -> str:
    """Return the sink for a mailbox file. mailhaul takes both locks, whatever ``locktype`` says."""
    del entry
    section.text("locktype")
    return folder_sink("mbox", os.path.expandvars(section.text("path")), home)


def external(section: Section, entry: NewEntry, home: str) -> str:
    """Return the sink for a command. Raises ValueError."""
    del entry
    section.text("allow_root_commands")
    section.text("pipe_stdout")
    path = in_home(os.path.expandvars(section.text("path")), home)
    command = command_line([path, *section.words("arguments")], MDA_PLACEHOLDERS)
    return f"mda {quote(command)}"


def lmtp(section: Section, entry: NewEntry, home: str) -> str:
    """Return the sink for an LMTP server."""
    del home
    host, port = section.text("host"), section.number("port") or LMTP_PORT
    listener = host if host.startswith("/") else f"{host}/{port}"
    if override := section.text("override"):
        entry.user.append(f"smtpname {quote(override)}")
    return f"lmtp smtphost {quote(listener)}"


SINKS: Final[Mapping[str, Callable[[Section, NewEntry, str], str]]] = {
    "Maildir": maildir,
    "Mboxrd": mbox,
    "MDA_external": external,
    "MDA_lmtp": lmtp,
}


def for_options(options: Section, entry: NewEntry, made: Translation) -> None:
    """Write what is kept, and the limits."""
    keep = not options.is_on("delete", False)
    if keep:
        entry.user.append("keep")
    if options.is_on("read_all", True):
        entry.user.append("fetchall")
        if keep:
            problem = '"read_all" fetches all messages in each poll; remove "fetchall" if not meant'
            made.note(options.line("read_all"), problem)
    for key, option in (("max_message_size", "limit"), ("max_messages_per_session", "fetchlimit")):
        if number := options.number(key):
            entry.user.append(f"{option} {number}")
    if not options.is_on("received", True):
        made.globals.append("set invisible")
    if path := options.text("message_log"):
        made.note(options.line("message_log"), f'"message_log": see "set logfile {quote(path)}"')
    for key in ("delivered_to", "verbose", "skip_imap_fetch_size", "use_netrc"):
        options.text(key)
    for key in options.left():
        if options.text(key).lower() not in {"", "0", "false", "no", "off", "none"}:
            made.note(options.line(key), f'"{key}" is not translated')


def default_files(home: str) -> list[str]:
    """Return the rc files that getmail uses if none is named, if they exist."""
    paths = (os.path.join(home, folder, DEFAULT_FILE) for folder in FOLDERS)
    return [path for path in paths if os.path.exists(path)]
