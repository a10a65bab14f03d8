"""``mailhaul init``: from a mail address to an rc file that works.

The server is found, the login is tried, and only then the file is written: all of it or nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence

from ...adapters.config.caller import Caller
from ...adapters.config.command_line import CommandLine
from ...adapters.config.errors import ConfigErrors, quoted
from ...adapters.config.grammar import parse
from ...adapters.config.merge import account_settings, global_settings
from ...adapters.config.rcfile import folder_of, read_rcfile
from ...adapters.config.rcfile_writer import RcFileExists, append_to_rcfile, create_rcfile
from ...adapters.config.sanity import check
from ...adapters.config.secrets import SecretReader
from ...adapters.config.settings import AccountSettings
from ...adapters.config.writer import write_entry
from ...adapters.discovery.places import IMAP, PORTS, Place, split_address, split_host
from ...adapters.discovery.search import NotFound, Tools, Unsupported, find_place
from ...adapters.ledger.names import is_loopback
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.record import Record, replace
from ...protocols.secret import Secret
from ..polls.lines import Lines, escape, plural
from .init_place import NO_PIN, Mailbox, PinNeeded, try_login, usual_tools
from .init_words import Terminal, Wishes, password_from, read_wishes

TRIES = 3
"""Passwords that the user may type: more of them may lock the account."""
HIDDEN = "(not shown)"
NO_ADDRESS = re.compile(r"cannot find the address of (?P<name>\S+): (?P<why>.+)")


def init(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul init``. Raises Misused, PollFailed, ConfigErrors and ConfigRefused."""
    wishes = read_wishes(arguments, caller)
    setup = Setup(wishes, caller, lines, Terminal(), usual_tools(), try_login)
    try:
        return setup.run()
    except (KeyboardInterrupt, EOFError):
        setup.terminal.say("")
        raise PollFailed(ExitCode.UNDEFINED, "init: stopped; nothing was written") from None


class Login(Record):
    """How to log in at a place: with a password that is known, or as the rc file will say."""

    user: str
    password: Secret | None
    pin: str = ""


class Setup:
    """One run of the command. ``log_in`` tries a login with the settings of the new entry."""

    def __init__(
        self,
        wishes: Wishes,
        caller: Caller,
        lines: Lines,
        terminal: Terminal,
        tools: Tools,
        log_in: Callable[[AccountSettings], Mailbox],
    ) -> None:
        self.terminal = terminal
        self._wishes = wishes
        self._caller = caller
        self._lines = lines
        self._tools = tools
        self._log_in = log_in
        self._before: bytes | None = None

    def run(self) -> ExitCode:
        """Ask, look, try and write. Raises PollFailed, ConfigErrors and ConfigRefused."""
        if not self._wishes.dry and not self._may_write():
            self.terminal.say("Nothing was written.")
            return ExitCode.SUCCESS
        address = self._address()
        place = self._confirmed(self._place(address))
        if self._wishes.user:
            place = replace(place, login=self._wishes.user)
        by_token = place.wants_token or bool(self._wishes.client)
        # With a token, what is said about passwords does not matter.
        if place.provider and place.provider.note and not by_token:
            self.terminal.say(f"Note: {place.provider.note}.")
        if by_token:
            self._refuse_token(place)
        if self._wishes.dry:
            self.terminal.say(f"\n{self._entry(place, Login(place.login, None), hidden=True)}")
            self.terminal.say(f"Nothing was written to {self._wishes.rcfile} (--dry).")
            return ExitCode.SUCCESS
        if by_token:
            return self._set_up_token(place)
        login, mailbox = self._logged_in(place)
        self._write(self._entry(place, login))
        self._report(place, login, mailbox)
        return ExitCode.SUCCESS

    # The file

    def _may_write(self) -> bool:
        """Whether the file is new, or the user wants to append. Raises PollFailed (SYNTAX)."""
        path = self._wishes.rcfile
        if not os.path.lexists(path):
            return True
        # What is wrong with the old file is said before anything is asked.
        self._before = read_rcfile(path, self._caller.uid, bytes)
        entries = len(parse(self._before, path).entries)
        if self._wishes.append:
            return True
        number = f"{entries} {'entry' if entries == 1 else 'entries'}"
        if self.terminal.can_ask:
            question = f"{path} exists, with {number}. Append another one?"
            return self.terminal.agrees(question, default=False)
        raise PollFailed(
            ExitCode.SYNTAX,
            f'init: {path} exists, with {number}, and is not changed; "mailhaul init --append" '
            'appends an entry, and "--rcfile FILE" writes another file',
        )

    def _write(self, entry: str) -> None:
        data = entry.encode("utf-8", "surrogateescape")
        path = self._wishes.rcfile
        try:
            if self._before is None:
                create_rcfile(path, data)
            else:
                append_to_rcfile(path, self._before, b"\n" + data)
        except RcFileExists:
            raise PollFailed(
                ExitCode.SYNTAX, f"init: {path} was made meanwhile, and is not changed; try again"
            ) from None

    # The place

    def _address(self) -> str:
        """Return the address. Raises PollFailed (SYNTAX)."""
        address = self._wishes.address
        if not address:
            if not self.terminal.can_ask:
                raise PollFailed(
                    ExitCode.SYNTAX, 'init: no address; write "mailhaul init joe@example.org"'
                )
            address = self.terminal.ask("Your mail address")
        try:
            split_address(address)
        except ValueError as fault:
            raise PollFailed(ExitCode.SYNTAX, f"init: {quoted(address)}: {fault}") from None
        return address

    def _place(self, address: str) -> Place:
        """Return where the mail is; ask for the server if it is not found. Raises PollFailed."""
        try:
            return self._search(address)
        except PollFailed as failure:
            if failure.code is not ExitCode.SOCKET or not self._may_ask_for_host():
                raise
            self._lines.complain(str(failure))
        try:
            question = "Mail server of your provider (HOST or HOST:PORT)"
            host, port = split_host(self.terminal.ask(question))
        except ValueError as fault:
            raise PollFailed(ExitCode.SYNTAX, f"init: {fault}") from None
        self._wishes = replace(self._wishes, host=host, port=port)
        return self._search(address)

    def _search(self, address: str) -> Place:
        """Look for the server. Raises PollFailed (SOCKET, SYNTAX)."""
        wishes = self._wishes
        domain = split_address(address)[1]
        self.terminal.say(f"Looking for the mail server of {escape(wishes.host or domain)} ...")
        try:
            place = find_place(address, wishes.protocols, self._tools, wishes.host, wishes.port)
        except Unsupported as fault:
            raise PollFailed(ExitCode.SYNTAX, f"init: {fault}") from None
        except NotFound as fault:
            raise PollFailed(ExitCode.SOCKET, self._not_found(domain, fault)) from None
        self.terminal.say(f"Found {place}, {place.found_by}.")
        return place

    def _not_found(self, domain: str, fault: NotFound) -> str:
        """Return the sentence for the case that there is no usable server."""
        # A certificate that is not accepted tells more than a name that does not exist.
        reasons = sorted(joined(fault.reasons), key=lambda reason: "certificate" not in reason)[:3]
        shown = f" ({'; '.join(map(escape, reasons))})" if reasons else ""
        if self._wishes.host:
            return (
                f"init: no mail server can be used at {escape(self._wishes.host)}{shown}; "
                "ask your provider for host and port"
            )
        step = "ask your provider for its name"
        if not self._may_ask_for_host():
            step += ', and write "--host NAME"'
        return f"init: no mail server of {escape(domain)} was found{shown}; {step}"

    def _may_ask_for_host(self) -> bool:
        return self.terminal.can_ask and not (self._wishes.host or self._wishes.dry)

    def _confirmed(self, place: Place) -> Place:
        """Return the place if the user agrees to a host that DNS alone names. Raises PollFailed."""
        if place.certain or self._wishes.dry:
            return place
        host = escape(place.host)
        if not self.terminal.can_ask:
            raise PollFailed(
                ExitCode.SYNTAX,
                f"init: the name service, which is not protected, names {host}, a host of another "
                f'domain; if it is the right one, write "--host {host}:{place.port}"',
            )
        question = f"{host} belongs to another domain. Does your provider use it?"
        if not self.terminal.agrees(question, default=True):
            raise PollFailed(
                ExitCode.SYNTAX, 'init: nothing was written; give the right host by "--host NAME"'
            )
        return place

    # The login

    def _logged_in(self, place: Place) -> tuple[Login, Mailbox]:
        """Return the login that works. Raises PollFailed (AUTHFAIL, SOCKET, ...)."""
        wishes = self._wishes
        if wishes.command:
            return self._checked(place, Login(place.login, None))
        if wishes.descriptor is not None:
            return self._checked(place, Login(place.login, password_from(wishes.descriptor)))
        if not self.terminal.can_ask:
            raise PollFailed(
                ExitCode.AUTHFAIL,
                'init: no password; give "--password-command COMMAND", or "--passwordfd 3 3<FILE"',
            )
        user = place.login
        for left in reversed(range(TRIES)):
            password = self.terminal.ask_password(
                f"Password of {escape(user)} at {escape(place.host)} (not shown)"
            )
            try:
                return self._checked(place, Login(user, password))
            except PollFailed as failure:
                if failure.code is not ExitCode.AUTHFAIL or not left:
                    raise
                self._lines.complain(str(failure))
            user = self.terminal.ask("User name there", user)
        raise AssertionError("the last try raises")

    def _checked(self, place: Place, login: Login) -> tuple[Login, Mailbox]:
        """Return the login after it has worked, with a pin if one is needed. Raises PollFailed."""
        if login.password is not None:
            self._lines.hide(login.password.reveal().decode("utf-8", "replace"))
        try:
            return login, self._try(place, login)
        except PollFailed as failure:
            if "certificate refused" not in str(failure) or not is_loopback(place.host):
                raise
        # A program on this machine, such as Proton's Bridge, has a certificate of its own.
        try:
            self._try(place, replace(login, pin=NO_PIN))
        except PinNeeded as fault:
            login = replace(login, pin=fault.fingerprint)
        self.terminal.say(
            "Its certificate is of no known authority. Only this one is accepted from now on."
        )
        return login, self._try(place, login)

    def _try(self, place: Place, login: Login) -> Mailbox:
        return self._log_in(self._settings(self._entry(place, login)))

    def _settings(self, entry: str) -> AccountSettings:
        """Return the settings of the new entry, as a poll will read them, with its password.

        Raises ConfigErrors, and PollFailed if the command for the password fails.
        """
        path, caller = self._wishes.rcfile, self._caller
        before = self._before or b""
        text = before + b"\n" + entry.encode("utf-8", "surrogateescape")
        rc = parse(text, path, folder_of(path))
        line = CommandLine()
        *others, settings = account_settings(rc, rc.entries, line, caller)
        self._refuse_second(settings, others)
        errors, warnings = check(global_settings(rc, line, caller), [settings])
        if errors:
            raise ConfigErrors(errors)
        for warning in warnings:
            self._lines.complain(str(warning))
        if settings.password is not None or settings.auth == "oauth":
            return settings
        password = SecretReader(settings, "password", caller.home).read()
        if password is None:
            return settings
        self._lines.hide(password.reveal().decode("utf-8", "replace"))
        return settings.with_password(password)

    def _refuse_second(self, new: AccountSettings, others: Sequence[AccountSettings]) -> None:
        """Raise PollFailed (SYNTAX) if the file has this account already."""
        for one in others:
            same = one.host.lower() == new.host.lower() and one.remote_user == new.remote_user
            if same and one.port == new.port:
                raise PollFailed(
                    ExitCode.SYNTAX,
                    f"init: {one.place('remote_user')} has {escape(new.remote_user)} at "
                    f'{escape(new.host)} already; "mailhaul -c {escape(one.pollname)}" tries it',
                )

    # Tokens

    def _refuse_token(self, place: Place) -> None:
        """Raise PollFailed (AUTHFAIL) if a token is needed and cannot be got."""
        host = escape(place.host)
        if not (place.provider and place.provider.issuer):
            raise PollFailed(
                ExitCode.AUTHFAIL,
                f"init: {host} wants a token (OAuth), and its issuer is not known here; "
                "docs/oauth.md shows the entry to write",
            )
        if not self._wishes.client:
            raise PollFailed(
                ExitCode.AUTHFAIL,
                f"init: {host} takes no password, only a token (OAuth), which needs a client ID; "
                f'get one as docs/oauth.md says, then type "mailhaul init {escape(place.login)} '
                '--oauthclient ID"',
            )

    def _set_up_token(self, place: Place) -> ExitCode:
        """Write an entry for OAuth, whose login needs a consent first. Raises PollFailed."""
        entry = self._entry(place, Login(place.login, None))
        self._settings(entry)
        self._write(entry)
        again = self._again()
        self.terminal.say(
            f"\n{self._wishes.rcfile} is written, readable by you alone:\n\n{entry}\n"
            "Next, to sign in, and then to fetch the new mail:\n\n"
            f"    mailhaul login {shlex.quote(place.login)}{again}\n"
            f"    mailhaul{again}\n"
        )
        return ExitCode.SUCCESS

    # The entry

    def _entry(self, place: Place, login: Login, *, hidden: bool = False) -> str:
        """Return the text of the entry. With ``hidden`` it can be shown."""
        wishes = self._wishes
        server: dict[str, object] = {"protocol": place.protocol}
        if place.port != PORTS[place.protocol, place.wrapped]:
            server["service"] = place.port
        if wishes.client:
            server["auth"] = "oauth"
            server["oauthissuer"] = place.provider.issuer if place.provider else ""
            server["oauthclient"] = wishes.client
            if wishes.client_secret:
                server["oauthsecretfile"] = wishes.client_secret
        user: dict[str, object] = {"remote_user": login.user}
        if wishes.command:
            user["passwordeval"] = wishes.command
        elif hidden and not wishes.client:
            user["password"] = HIDDEN
        elif login.password is not None:
            user["password"] = login.password
        if place.wrapped:
            user["ssl"] = True
        if login.pin:
            user |= {"sslcertck": False, "sslfingerprint": login.pin}
        user |= {"keep": True, "maildir": wishes.maildir}
        return write_entry(place.host, server, user)

    # The end

    def _report(self, place: Place, login: Login, mailbox: Mailbox) -> None:
        """Say what was written, and what to type next."""
        path, again = self._wishes.rcfile, self._again()
        total = f"{mailbox.total} message{plural(mailbox.total)} in INBOX"
        new = f", {mailbox.new} of them new" if place.protocol == IMAP else ""
        shown = self._entry(place, login, hidden=True)
        self.terminal.say(
            f"The login works: {total}{new}.\n\n"
            f"{path} is written, readable by you alone:\n\n{shown}\n"
            f"Next, to fetch the new mail into {self._wishes.maildir}:\n\n"
            f"    mailhaul{again}\n\n"
            "The messages stay on the server (keep). When you are satisfied, remove that\n"
            "word: from then on, each message is deleted there once it is on your disk.\n\n"
            "To fetch every five minutes, in the background:\n\n"
            f"    mailhaul{again} -d 300\n\n"
            "or by cron, with this line (crontab -e):\n\n"
            f"    */5 * * * * {program_path()}{again} -s\n"
        )

    def _again(self) -> str:
        """Return the option that names the rc file, if it needs one."""
        path = self._wishes.rcfile
        return "" if path == self._caller.rcfile else f" -f {shlex.quote(path)}"


def joined(reasons: Sequence[str]) -> list[str]:
    """Return the reasons, with names that cannot be found in one of them."""
    others: list[str] = []
    names: dict[str, list[str]] = {}
    for reason in reasons:
        if found := NO_ADDRESS.search(reason):
            names.setdefault(found["why"], []).append(found["name"])
        else:
            others.append(reason)
    return others + [f"{why}: {', '.join(hosts)}" for why, hosts in names.items()]


def program_path() -> str:
    """Return the path of this program for cron, which looks in few folders."""
    path = os.path.abspath(sys.argv[0])
    is_program = os.path.basename(path) != "__main__.py" and os.access(path, os.X_OK)
    return path if is_program and os.path.isfile(path) else "mailhaul"
