"""``mailhaul login`` and ``mailhaul logout``: give, list and end the consents of OAuth accounts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration, load
from ...adapters.config.rcfile import read_descriptor
from ...adapters.oauth.accounts import OAuthAccount, TokenOwner
from ...adapters.oauth.consent import begin_code_flow, by_device, finish_code_flow
from ...adapters.oauth.grants import Issuer, Proof
from ...adapters.oauth.keeper import TokenKeeper
from ...adapters.oauth.loopback import Loopback
from ...adapters.oauth.words import lacking
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Flow
from ...protocols.oauth.advice import advice_for
from ...protocols.oauth.code_flow import CodeFlow
from ...protocols.oauth.discovery import AuthorizationServer
from ...protocols.oauth.encoding import base64url
from ...protocols.oauth.providers import CODE, DEVICE
from ...protocols.oauth.results import DeviceCode, Refused, Revoked, TokenResult, Tokens, TryLater
from ...protocols.record import Record, replace
from ...runtimes import blocking
from ..polls.context import PollContext, context_for, make_context
from ..polls.lines import Lines, escape, write
from ..polls.state_folder import state_folder
from ..polls.tokens import oauth_account, store_for, uses_of
from .commands import invalid
from .stores import settings_in

T = TypeVar("T")

CONSENT_SECONDS = 900.0
"""Seconds in which the user has to sign in."""


class Target(Record):
    """An account that uses OAuth, with all that its token is for, and the names it has."""

    account: OAuthAccount
    names: frozenset[str]


def login(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul login``. Raises Misused, PollFailed, ConfigErrors and ConfigRefused."""
    words, flags, rcfile = split_arguments(arguments)
    if "--list" in flags and flags <= {"--list", "--json"} and not words:
        from .login_list import token_list  # not needed to sign in

        settings = settings_in(rcfile, caller, lines)
        folder = state_folder(caller, os.environ, settings)
        write(sys.stdout, token_list(folder, settings, as_json="--json" in flags))
        return ExitCode.SUCCESS
    if len(words) != 1 or flags - {"--device", "--paste"} or len(flags) > 1:
        raise invalid(arguments)
    return for_account(words[0], rcfile, caller, lines, partial(sign_in, flags=flags))


def logout(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul logout``. Raises Misused, PollFailed, ConfigErrors and ConfigRefused."""
    words, flags, rcfile = split_arguments(arguments)
    if len(words) != 1 or flags:
        raise invalid(arguments)
    return for_account(words[0], rcfile, caller, lines, sign_out)


def for_account(
    name: str,
    rcfile: str,
    caller: Caller,
    lines: Lines,
    act: Callable[[Target, PollContext, Lines], ExitCode],
) -> ExitCode:
    """Sign an account in or out. Raises PollFailed, ConfigErrors and ConfigRefused."""
    source = ["-f", rcfile] if rcfile else []
    # As a dump: all entries, also those that are skipped.
    configuration = load([*source, "--configdump"], caller, read_stdin)
    context = context_for(make_context(configuration, caller, lines), lines)
    try:
        return act(find_target(name, configuration, context), context, lines)
    finally:
        context.ledger.close()


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], set[str], str]:
    """Return words, flags and the rc file."""
    words: list[str] = []
    flags: set[str] = set()
    rcfile = ""
    rest = iter(arguments)
    for argument in rest:
        if argument in {"-f", "--fetchmailrc"}:
            rcfile = next(rest, "")
        elif argument.startswith("-") and argument != "-":
            flags.add(argument)
        else:
            words.append(argument)
    return words, flags, rcfile


def read_stdin() -> bytes:
    """Return an rc file from standard input."""
    return read_descriptor(0, "standard input")


# Which account


def find_target(name: str, configuration: Configuration, context: PollContext) -> Target:
    """Return the account that is meant. Raises PollFailed (SYNTAX)."""
    targets = list(targets_of(configuration, context))
    found = [target for target in targets if name in target.names]
    if len(found) == 1:
        return found[0]
    labels = ", ".join(sorted({target.account.label for target in targets}))
    if found:
        problem = f'"{escape(name)}" is the name of several accounts; give one of {escape(labels)}'
    elif targets:
        problem = f'no account "{escape(name)}" uses OAuth; these do: {escape(labels)}'
    else:
        problem = f'no account in {configuration.rcfile} uses OAuth; write "auth oauth" there'
    raise PollFailed(ExitCode.SYNTAX, problem)


def targets_of(configuration: Configuration, context: PollContext) -> Iterator[Target]:
    """Yield the accounts that use OAuth; those that share a token are one."""
    found: dict[TokenOwner, Target] = {}
    for settings in configuration.accounts:
        for use in uses_of(settings):
            account = oauth_account(settings, context, use.user)
            known = found.get(account.owner, Target(account, frozenset()))
            # The scope is chosen at any of its entries, and the uses are those of all.
            merged = replace(
                known.account,
                uses=known.account.uses | account.uses,
                scope=tuple(dict.fromkeys((*known.account.scope, *account.scope))),
            )
            found[account.owner] = Target(merged, known.names | use.names | {account.label})
    yield from found.values()


# Signing in


def sign_in(target: Target, context: PollContext, lines: Lines, flags: set[str]) -> ExitCode:
    """Get tokens and save them; return the exit code."""
    account = target.account
    issuer, keeper = parts_of(account, context)
    # Before the user is asked: a consent that cannot be saved would be lost.
    run(keeper.check())
    server = run(closing(issuer, issuer.server()))
    result: AuthorizationServer | TokenResult = server
    if isinstance(server, AuthorizationServer):
        asked = issuer.scope(server)
        if account.owner.grant not in {CODE, DEVICE}:
            result = run(closing(issuer, without_consent(issuer, server)))
        elif "--device" in flags or (account.owner.grant == DEVICE and "--paste" not in flags):
            result = run(closing(issuer, by_device(issuer, server, show)))
        else:
            result = in_browser(issuer, server, browser="--paste" not in flags)
        if isinstance(result, Tokens):
            run(keeper.adopt(result, server))
            return report_tokens(account, asked, result, lines)
    return refuse(account, result, lines)


def parts_of(account: OAuthAccount, context: PollContext) -> tuple[Issuer, TokenKeeper]:
    """Return the issuer and the keeper of an account."""
    issuer = Issuer(account, time.time)
    store = store_for(context, account.owner)
    return issuer, TokenKeeper(account, store, issuer, time.time, context.hide)


def run(flow: Flow[T]) -> T:
    """Run a flow on the blocking runtime."""
    return blocking.run(flow)


async def closing(issuer: Issuer, flow: Flow[T]) -> T:
    """Run a flow and close the connection to the issuer."""
    result = await flow
    await issuer.close()
    return result


async def without_consent(issuer: Issuer, server: AuthorizationServer) -> TokenResult:
    """Get tokens by a grant that needs no consent. Raises PollFailed (IOERR)."""
    proof = await issuer.proof()
    if not isinstance(proof, Proof):
        return proof
    return await issuer.renew(server, None, (), proof)


def tell(text: str) -> None:
    """Print a line for the user, who has to act now."""
    write(sys.stdout, f"{text}\n")


def show(code: DeviceCode) -> None:
    """Tell the user what to do in the device flow."""
    tell(f"Open {code.uri} on any device and enter the code {code.user_code}")
    if code.complete_uri:
        tell(f"or open {code.complete_uri}")
    tell(f"Waiting, for {code.expires_in // 60} minutes at most ...")


def in_browser(issuer: Issuer, server: AuthorizationServer, *, browser: bool) -> TokenResult:
    """Get a consent in the browser; return the tokens."""
    owner = issuer.account.owner
    loopback = Loopback(owner.provider.loopback, base64url(os.urandom(18)))
    try:
        hint = owner.user if "@" in owner.user else ""
        flow = run(begin_code_flow(issuer, server, loopback.address, hint))
        if not isinstance(flow, CodeFlow):
            return flow
        # Also if a browser was started: that may be in another session, or a text browser.
        beginning = "Open this address in a browser, on this machine or any other:"
        if browser and opened(loopback.start):
            beginning = "A browser opens. If it does not, open this address in any browser:"
        tell(f"{beginning}\n\n{flow.address}\n")
        tell(
            "After the consent, this goes on by itself. If the browser shows an error instead,\n"
            "paste here the address that it ends at:"
        )
        request = loopback.wait(flow, typed_input(), tell, CONSENT_SECONDS)
    finally:
        loopback.close()
    if isinstance(request, Refused):
        return request
    return run(closing(issuer, finish_code_flow(issuer, flow, request)))


def typed_input() -> int | None:
    """Return the descriptor from which addresses are pasted, if there is one."""
    try:
        os.fstat(0)
    except OSError:
        return None
    return 0


def opened(address: str) -> bool:
    """Open an address in the browser of a desktop; return whether there is one."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    import webbrowser

    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


def report_tokens(
    account: OAuthAccount, asked: tuple[str, ...], tokens: Tokens, lines: Lines
) -> ExitCode:
    """Say what was got."""
    owner = account.owner
    lines.say(f"{escape(account.label)}: signed in at {escape(owner.issuer)}")
    if tokens.refresh_token is None and owner.grant in {CODE, DEVICE}:
        minutes = (tokens.expires_in or 3600) // 60
        lines.complain(
            f"{account.label}: the issuer gave no refresh token, so this ends in {minutes} "
            'minutes; ask for it with "oauthscope", which is "offline_access" at most issuers'
        )
    if problem := lacking(asked, tokens):
        lines.complain(f"{account.label}: {problem}")
        return ExitCode.AUTHFAIL
    return ExitCode.SUCCESS


def refuse(account: OAuthAccount, refused: object, lines: Lines) -> ExitCode:
    """Say why there are no tokens."""
    owner = account.owner
    advice = ""
    if isinstance(refused, Refused):
        advice = advice_for(owner.issuer, owner.grant, refused)
    more = f"; {advice}" if advice else ""
    lines.complain(f"{account.label}: {owner.issuer} gives no token: {refused}{more}")
    return ExitCode.SOCKET if isinstance(refused, TryLater) else ExitCode.AUTHFAIL


# Signing out


def sign_out(target: Target, context: PollContext, lines: Lines) -> ExitCode:
    """Revoke a token and remove it; return the exit code."""
    account = target.account
    issuer, keeper = parts_of(account, context)
    saved = run(keeper.saved())
    if saved.access is None and saved.refresh is None:
        run(keeper.forget())
        lines.say(f"{escape(account.label)}: there is no token")
        return ExitCode.NOMAIL
    if saved.refresh is not None:
        done = run(closing(issuer, issuer.revoke(saved.refresh)))
        if isinstance(done, TryLater):
            lines.complain(
                f"{account.label}: the token was not revoked and is kept, try again later: {done}"
            )
            return ExitCode.SOCKET
        if not isinstance(done, Revoked):
            lines.complain(
                f"{account.label}: the issuer did not revoke the token ({done}); remove the access "
                "of this application in the settings of your account there"
            )
    run(keeper.forget())
    lines.say(f"{escape(account.label)}: signed out; the token is removed")
    return ExitCode.SUCCESS
