"""What to type next after a poll has failed: the end of the line that names the cause.

It is loaded only for a failure. Sentences of servers are recognized by the words that these servers
are known to use; without such words there is no advice for them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from typing import Final

from ...adapters.config.errors import COMMAND_LINE
from ...adapters.config.secret_table import TOKEN_AUTHS
from ...adapters.config.settings import AccountSettings
from ...adapters.discovery.providers import provider_of_host
from ...adapters.sinks.kinds import DIRECT_SINKS
from ...flows.account import Account
from ...flows.fate import Fate
from ...flows.outcome import ExitCode, Outcome, PollFailed
from .lines import escape

WHAT_FOLLOWS: Final = {
    Fate.KEEP: "the message stays on the server",
    Fate.RETURN: "a bounce is due",
    Fate.DISCARD: "the message is dropped as spam",
}
USUAL_FILES: Final = frozenset({".fetchmailrc", "fetchmailrc"})
"""Names of rc files that are read without ``-f``, as far as a name can tell."""
APP_PASSWORD: Final = re.compile(r"(?i)app(lication)?[- ](specific )?password")
SWITCHED_OFF: Final = re.compile(
    r"(?i)not enabled for (imap|pop)|(imap|pop3?)\b[^.;]{0,40}\b(is|are) (disabled|not enabled)"
    r"|enable (pop3/)?(imap|pop)|(imap|pop3?) (access|use) (is )?disabled"
)
"""As Gmail, GMX, WEB.DE and Dovecot say it."""
REFUSED: Final = re.compile("Authorization failure on|refuses the login")
"""The words of this program for a login that the server has refused."""
OLD_TLS: Final = re.compile("alert (protocol version|handshake failure)|unsupported protocol")
"""As OpenSSL says that the two sides have no version or no cipher in common."""
MAILBOX_FULL: Final = b".2.2"
"""The end of the enhanced status code (RFC 3463, 3.3)."""
FULL: Final = re.compile(r"(?i)over ?quota|quota (is )?exceeded|mailbox (is )?full|no space left")
"""As servers, and the operating system, say it."""


def advised(failure: PollFailed, settings: AccountSettings) -> str:
    """Return the sentence of a failure, with the next step at its end."""
    sentence = str(failure)
    if '"mailhaul ' in sentence or "; type " in sentence:
        return sentence
    advise = BY_CODE.get(failure.code)
    step = advise(sentence, settings) if advise else ""
    return f"{sentence.removesuffix('.')}; {step}" if step else sentence


def what_follows(outcome: Outcome, fate: Fate, account: Account) -> str:
    """Return what becomes of a message that a sink has not taken, and what to do if known."""
    full = any(refusal.status[1:] == MAILBOX_FULL for refusal in outcome.refusals)
    if fate is not Fate.KEEP or not (full or FULL.search(outcome.reason)):
        return WHAT_FOLLOWS[fate]
    command = f'"mailhaul {shlex.quote(account.pollname)}"'
    return f"{WHAT_FOLLOWS[fate]}; make room there, then type {command}"


# Commands


def again(settings: AccountSettings, option: str = "-c ") -> str:
    """Return the command that tries this account again."""
    return f'"mailhaul{rcfile_option(settings)} {option}{shlex.quote(settings.pollname)}"'


def rcfile_option(settings: AccountSettings) -> str:
    """Return the option that names the rc file, if it is not the usual one."""
    name = settings.place("pollname").file
    if not os.path.isabs(name) or os.path.basename(name) in USUAL_FILES:
        return ""
    return f" -f {shlex.quote(name)}"


def find_server(settings: AccountSettings, *, there: bool = False) -> str:
    """Return the command that looks for the server, or with ``there`` for its port."""
    address, host = settings.remote_user, settings.host
    if "@" not in address:
        labels = host.split(".")
        address += f"@{'.'.join(labels[1:] if len(labels) > 2 else labels)}"
    more = f" --host {shlex.quote(host)}" if there else ""
    return f'"mailhaul init --dry {shlex.quote(address)}{more}"'


def show_certificate(settings: AccountSettings, what: str) -> str:
    """Return the command that shows something of the server's certificate."""
    start = "" if settings.wrapped else f" -starttls {settings.kind.family}"
    port = settings.port
    return (
        f'"openssl s_client -connect {settings.host}:{port}{start} </dev/null | '
        f'openssl x509 -noout {what}"'
    )


def no_entry(settings: AccountSettings) -> str:
    """Return what to do about a server that was named and is not in the rc file."""
    name = escape(settings.pollname)
    return f'"{name}" is no entry of the rc file; "mailhaul -V" lists them'


# Advice by exit code


def for_name(sentence: str, settings: AccountSettings) -> str:
    """Advise on a host without an address."""
    if settings.plugin:
        return ""
    if settings.place("pollname") is COMMAND_LINE:
        return no_entry(settings)
    where = settings.place("via")
    return f"correct the name ({where}), or check the network; {find_server(settings)} finds it"


def for_connection(sentence: str, settings: AccountSettings) -> str:
    """Advise on a connection or TLS that failed."""
    if settings.plugin:
        return for_plugin(sentence, settings)
    if "certificate refused" in sentence:
        return for_certificate(sentence, settings)
    if "does not speak TLS on this port" in sentence:
        family = settings.kind.family.upper()
        return (
            f'remove "ssl" ({settings.place("ssl")}) for STARTTLS, or give the port of {family} '
            f"with TLS; {find_server(settings, there=True)} finds it"
        )
    if OLD_TLS.search(sentence) and not settings.chose("sslproto"):
        return (
            "the server may know only old versions or ciphers of TLS; if it cannot be updated, "
            '"sslproto tls1+" allows them for this account'
        )
    if "timeout after" in sentence and may_want_tls(settings):
        return (
            'a server that is silent may wait for TLS: write "ssl" after the user, or '
            f"{find_server(settings, there=True)} finds the port"
        )
    if "connection to" in sentence:
        where = settings.place("service")
        return f"check host and port ({where}); {find_server(settings, there=True)} finds them"
    return ""


def may_want_tls(settings: AccountSettings) -> bool:
    """Whether a server that is silent may wait for TLS, which the entry does not begin with."""
    decided = settings.wrapped or settings.chose("sslproto") or settings.chose("sslmode")
    return not decided and settings.port not in {143, 110}


def for_plugin(sentence: str, settings: AccountSettings) -> str:
    """Advise on a plugin that failed. Its command may contain a password and is not shown."""
    where = f'the command of "plugin" ({settings.place("plugin")}) in a shell'
    if "Permission denied (publickey" in sentence:
        key = 'ssh has no key that the server takes; add one ("ssh-copy-id", "ssh-add")'
        return f"{key}, and try {where}"
    return f"try {where}"


def for_certificate(sentence: str, settings: AccountSettings) -> str:
    """Advise on a certificate that is not accepted."""
    if "expired" in sentence or "not yet valid" in sentence:
        return f"{show_certificate(settings, '-dates')} shows its dates"
    if "mismatch" in sentence:
        return f"{show_certificate(settings, '-ext subjectAltName')} shows its names"
    return f"{show_certificate(settings, '-fingerprint -sha256')} shows its fingerprint"


def for_login(sentence: str, settings: AccountSettings) -> str:
    """Advise on a login that was refused, or that cannot be tried."""
    if "auth oauth" in sentence:
        user = shlex.quote(settings.remote_user)
        command = f"mailhaul login{rcfile_option(settings)} {user}"
        return f'see docs/oauth.md, then type "{command}"'
    if SWITCHED_OFF.search(sentence):
        family = settings.kind.family.upper()
        return (
            f"switch {family} on in the settings of the mailbox, on the web page of your provider; "
            f"then type {again(settings)}"
        )
    if settings.auth in TOKEN_AUTHS:
        return ""
    provider = provider_of_host(settings.host)
    if provider and provider.note and provider.passwords:
        return f"{provider.note}; then type {again(settings)}"
    if APP_PASSWORD.search(sentence):
        where = settings.place("password")
        return (
            "make an app password on the web page of your provider, write it in place of the "
            f"password ({where}), then type {again(settings)}"
        )
    if "can't find a password" in sentence:
        given = settings.place("pollname") is not COMMAND_LINE
        where = settings.place("remote_user")
        if not given:
            return no_entry(settings)
        return f'add "password ..." to the entry ({where}), or type {again(settings)} at a terminal'
    if not REFUSED.search(sentence):
        return ""
    place = "" if settings.typed else f" ({settings.place('password')})"
    return f"correct the user or the password{place}, then type {again(settings)}"


def for_protocol(sentence: str, settings: AccountSettings) -> str:
    """Advise on a server that speaks something else."""
    if "greeting" not in sentence or settings.plugin:
        return ""
    family = settings.kind.family.upper()
    return f"is this an {family} server? {find_server(settings)} finds the right one"


def for_busy(sentence: str, settings: AccountSettings) -> str:
    """Advise on a mailbox or a server that is in use."""
    return f"wait until the other program has ended, then type {again(settings, '')}"


def for_sink(sentence: str, settings: AccountSettings) -> str:
    """Advise on a sink that cannot be reached."""
    chosen = settings.chose("smtphosts") or any(getattr(settings, s.option) for s in DIRECT_SINKS)
    if "connect to" not in sentence:
        return ""
    if chosen:
        where = settings.place("smtphosts")
        return f"start this listener or name another one ({where}), then type {again(settings, '')}"
    return (
        "mail goes to the mail server on this machine, and none is running; write "
        f'"maildir ~/Maildir" at the end of the entry ({settings.place("via")}), then type '
        f"{again(settings, '')}"
    )


def for_disk(sentence: str, settings: AccountSettings) -> str:
    """Advise on a disk that is full."""
    if FULL.search(sentence):
        return f"make room there, then type {again(settings, '')}"
    return ""


BY_CODE: Final[dict[ExitCode, Callable[[str, AccountSettings], str]]] = {
    ExitCode.DNS: for_name,
    ExitCode.SOCKET: for_connection,
    ExitCode.AUTHFAIL: for_login,
    ExitCode.PROTOCOL: for_protocol,
    ExitCode.LOCKBUSY: for_busy,
    ExitCode.SMTP: for_sink,
    ExitCode.IOERR: for_disk,
    ExitCode.BSMTP: for_disk,
}
