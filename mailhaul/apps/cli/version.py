"""What ``-V`` shows: the version, and each account as it would be polled, without secrets."""

from __future__ import annotations

from ... import __version__
from ...adapters.config.load import Configuration
from ...adapters.config.settings import AccountSettings
from ...adapters.login.access import TlsMode
from ..polls.access import tls_mode
from ..polls.lines import escape

TLS = {
    TlsMode.WRAPPED: "TLS from the first byte.",
    TlsMode.REQUIRED: "TLS by STARTTLS is mandatory.",
    TlsMode.OFFERED: "TLS by STARTTLS is used where the server offers it.",
    TlsMode.NEVER: "TLS is not used.",
}

SINKS = {
    "maildir": "Messages will be stored in the Maildir {}.",
    "append": "Messages will be stored in {}.",
    "mbox": "Messages will be appended to the mailbox file {}.",
    "bsmtp": "Messages will be written as batched SMTP to {}.",
    "mda": 'Messages will be delivered with "{}".',
}
"""What is said of a sink that has an option of its own, in the order in which a poll looks."""


def describe(configuration: Configuration) -> str:
    """Return the text for ``-V``."""
    lines = [
        f"This is mailhaul release {__version__}",
        f"Taking options from command line and {escape(configuration.rcfile)}",
    ]
    if not configuration.accounts:
        lines.append(f"No mailservers set up -- perhaps {escape(configuration.rcfile)} is missing?")
    for account in configuration.accounts:
        lines.append(
            f"Options for retrieving from {escape(account.remote_user)}@{escape(account.pollname)}:"
        )
        lines += [f"  {escape(sentence)}" for sentence in sentences(account)]
    return "\n".join(lines) + "\n"


def sentences(account: AccountSettings) -> list[str]:
    """Return one sentence for each thing worth knowing about an account."""
    said = [
        f"True name of server is {account.host}.",
        f"Protocol is {account.protocol.upper()} (using service {account.port}).",
    ]
    if account.plugin is not None:
        said.append(f"Server connections will be made via plugin {account.plugin}.")
    said.append(TLS[tls_mode(account)])
    if account.auth == "ssh":
        said.append("End-to-end encryption assumed.")
    if account.password is not None:
        said.append("Password is set.")
    said.append(f"Server nonresponse timeout is {account.timeout} seconds.")
    said.append(f"Selected mailboxes are: {', '.join(account.folders)}.")
    said.append(
        "All messages will be retrieved (--all on)."
        if account.fetchall
        else "Only new messages will be retrieved (--all off)."
    )
    said.append(
        "Fetched messages will be kept on the server (--keep on)."
        if account.keep
        else "Fetched messages will not be kept on the server (--keep off)."
    )
    said += where_mail_goes(account)
    names = ", ".join(local for local, _ in account.local_names)
    said.append(f"Recipient of the mail: {names}.")
    return said


def where_mail_goes(account: AccountSettings) -> list[str]:
    """Return sentences about the sink: the first that is chosen, as a poll takes it."""
    for name, sentence in SINKS.items():
        if (value := getattr(account, name)) is not None:
            return [sentence.format(value)]
    kind = "LMTP" if account.lmtp else "SMTP"
    hosts = " ".join(account.smtphosts or ("localhost",))
    said = [f"Messages will be {kind}-forwarded to: {hosts}."]
    if account.plugout is not None:
        said.append(f"Listener connections will be made via plugout {account.plugout}.")
    return said
