"""The output of ``-V``: the version, and the options of each account, without secrets."""

from __future__ import annotations

from ... import __version__
from ...adapters.config.load import Configuration
from ...adapters.config.secret_table import SECRETS, way_of
from ...adapters.config.settings import AccountSettings
from ...adapters.config.values import SECONDS_PER_DAY
from ...adapters.login.access import TlsMode
from ...adapters.login.reach import proxy_of, tls_mode
from ...adapters.sinks.kinds import LISTENERS, chosen_sink, sink_value
from ..polls.lines import PROGRAM, escape

FETCHMAIL = "fetchmail"
COMPATIBLE = "6.4.0+SDPS+TLS"
"""The release of fetchmail whose rc file and command line are understood, as ``-V`` shows it."""
TLS = {
    TlsMode.WRAPPED: "TLS from the first byte.",
    TlsMode.REQUIRED: "TLS by STARTTLS is mandatory.",
    TlsMode.OFFERED: "TLS by STARTTLS is used where the server offers it.",
    TlsMode.NEVER: "TLS is not used.",
}


def release_line(program: str) -> str:
    """Return the first line of ``-V``.

    Scripts that call ``fetchmail`` expect its name and its number there.
    """
    if program == FETCHMAIL:
        return f"This is {FETCHMAIL} release {COMPATIBLE} ({PROGRAM} {__version__})"
    return f"This is {PROGRAM} release {__version__}"


def describe(configuration: Configuration, program: str = PROGRAM) -> str:
    """Return the text for ``-V``. ``program`` is the name that the program was called by."""
    lines = [
        release_line(program),
        f"Taking options from command line and {escape(configuration.rcfile)}",
    ]
    if configuration.globals.store is not None:
        from ...adapters.config.dump import shown_store  # few rc files name one

        store = shown_store(configuration.globals.store)
        lines.append(f"The ledger is in {escape(store)}")
    if not (configuration.accounts or configuration.skipped):
        lines.append(f"No mailservers set up -- perhaps {escape(configuration.rcfile)} is missing?")
    for account in configuration.accounts:
        lines.append(
            f"Options for retrieving from {escape(account.remote_user)}@{escape(account.pollname)}:"
        )
        lines += [f"  {escape(sentence)}" for sentence in sentences(account)]
    polled = {account.pollname for account in configuration.accounts}
    if others := [name for name in dict.fromkeys(configuration.skipped) if name not in polled]:
        lines.append(f"Polled only when named (skip): {escape(', '.join(others))}")
    return "\n".join(lines) + "\n"


def sentences(account: AccountSettings) -> list[str]:
    """Return sentences about the most important options of an account."""
    said = [
        f"True name of server is {account.host}.",
        f"Protocol is {account.protocol.upper()} (using service {account.port}).",
    ]
    if account.plugin is not None:
        said.append(f"Server connections will be made via plugin {account.plugin}.")
    said += ways(account)
    said.append(TLS[tls_mode(account)])
    if account.auth == "oauth":
        said.append(f"Tokens come from {account.oauthissuer} (oauthgrant {account.oauthgrant}).")
    if account.auth == "ssh":
        said.append("End-to-end encryption assumed.")
    if account.password is not None:
        said.append("Password is set.")
    for name in SECRETS:
        if found := way_of(account, name):
            said.append(f"{name.capitalize()} is read from its place ({name}{found[0].suffix}).")
    said.append(f"Server nonresponse timeout is {account.timeout} seconds.")
    said.append(f"Selected mailboxes are: {', '.join(account.folders)}.")
    said.append(
        "All messages will be retrieved (--all on)."
        if account.fetchall
        else "Only new messages will be retrieved (--all off)."
    )
    said.append(
        "Fetched messages will be kept on the server (--keep on)."
        if account.keeps
        else "Fetched messages will not be kept on the server (--keep off)."
    )
    said += what_is_read(account)
    said += where_mail_goes(account)
    names = ", ".join(local for local, _ in account.local_names)
    said.append(f"Recipient of the mail: {names}.")
    return said


def ways(account: AccountSettings) -> list[str]:
    """Return sentences about proxies and addresses of this host."""
    said: list[str] = []
    for whose, suffix in (("Server", ""), ("Listener", "out")):
        if getattr(account, f"proxy{suffix}") is not None:
            proxy = proxy_of(account, f"proxy{suffix}")
            said.append(f"{whose} connections go through the {proxy.kind} {proxy.name}.")
        if (source := getattr(account, f"bindaddress{suffix}")) is not None:
            said.append(f"{whose} connections come from {source}.")
    return said


def what_is_read(account: AccountSettings) -> list[str]:
    """Return sentences about the mail that is fetched, and about what happens to it later."""
    sentences: list[str] = []
    if account.deleteafter:
        days = account.deleteafter // SECONDS_PER_DAY
        sentences.append(
            f"They will be deleted {days} day(s) after delivery, at most {account.deletelimit} in"
            " one poll (delete-after)."
        )
    if account.leaveunread:
        sentences.append("Messages will not be marked as read (--leave-unread on).")
    if account.since:
        sentences.append(f"Only mail since {account.since} will be fetched (--since).")
    if account.only:
        sentences.append(f"Only mail with one of these fields: {'; '.join(account.only)} (only).")
    if account.excepted:
        sentences.append(
            f"No mail with one of these fields: {'; '.join(account.excepted)} (except)."
        )
    if account.keeptree:
        sentences.append("Each folder will have a folder of its own (--keep-tree on).")
    return sentences


def where_mail_goes(account: AccountSettings) -> list[str]:
    """Return sentences about the sink."""
    kind = chosen_sink(account)
    value = sink_value(kind, account)
    sentences = [f"Messages will be {kind.sentence.format(value)}."]
    if kind in LISTENERS and account.plugout is not None:
        sentences.append(f"Listener connections will be made via plugout {account.plugout}.")
    if account.mdaparallel > 1 and kind.option == "mda":
        sentences.append(f"Up to {account.mdaparallel} of these commands will run at a time.")
    if account.smtpparallel > 1 and kind in LISTENERS:
        sentences.append(f"Up to {account.smtpparallel} connections will deliver at a time.")
    return sentences
