"""Check the passwords and tokens of an account: whether they can be read, never what they are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import cast

from ....adapters.config.secret_table import (
    DESCRIPTOR,
    EVAL,
    FILE,
    KEYRING,
    SECRETS,
    VARIABLE,
    needs_password,
    way_of,
)
from ....adapters.config.secrets import SecretReader
from ....adapters.config.settings import AccountSettings
from ....adapters.oauth.saved import CONSENT, SavedToken
from ....adapters.oauth.words import sentence_of, sentence_of_refusal
from ....adapters.sinks.kinds import LISTENERS, chosen_sink
from ....flows.outcome import ExitCode, PollFailed
from ....protocols.oauth.providers import CODE, DEVICE
from ...polls.context import PollContext
from ...polls.tokens import oauth_account, store_for, uses_of
from .findings import Finding, error, from_failure, note, ok, warning

EXTRAS = {"keyring": "keyring", "h11": "oauth", "cryptography": "oauth"}
"""Packages that are not part of the base install, and the extra that brings each."""

SUBJECTS = {
    "password": "password",
    "appendpassword": "append password",
    "esmtppassword": "listener password",
    "proxypassword": "proxy password",
    "proxyoutpassword": "listener proxy password",
    "oauthsecret": "client secret",
    "oauthrefresh": "refresh token",
}
"""What each secret is called on the screen."""


def check_secrets(settings: AccountSettings, context: PollContext) -> Iterator[Finding]:
    """Read every secret that a poll of this account needs, from where it is kept."""
    for name in SECRETS:
        if getattr(settings, name) is not None:
            place = str(settings.place(name))
            yield ok(name, SUBJECTS[name], "in the rc file", place)
        elif way_of(settings, name) is not None or is_looked_for(settings, name):
            yield from check_secret(settings, name, context.caller.home)


def is_looked_for(settings: AccountSettings, name: str) -> bool:
    """Whether a poll looks for a secret in .netrc, because the rc file says nothing about it."""
    kind = chosen_sink(settings)
    match name:
        case "password":
            return needs_password(settings)
        case "appendpassword":
            with_password = kind.password and settings.appendauth != "oauth"
            return bool(with_password) and settings.plugout is None
        case "esmtppassword":
            chosen = settings.chose("esmtpname") and settings.esmtpauth != "oauth"
            return kind in LISTENERS and chosen
        case _:
            return False


def check_secret(settings: AccountSettings, name: str, home: str) -> Iterator[Finding]:
    """Read one secret."""
    found = way_of(settings, name)
    option = name + (found[0].suffix if found else "")
    place, subject = str(settings.place(option)), SUBJECTS[name]
    reader = SecretReader(settings, name, home)
    try:
        secret = reader.read()
    except PollFailed as failure:
        cause = str(failure).removeprefix(f"{place}: ").removeprefix(f"{option}: ")
        problem, _, hint = cause.partition("; ")
        yield error(name, subject, problem, place, hint or "correct it there", failure.code)
        return
    finally:
        for text in reader.warnings:
            path, _, problem = text.partition(": warning: ")
            cause, _, hint = problem.partition("; ")
            yield warning(f"{name}-file", subject, cause, path, hint)
    if secret is not None:
        yield ok(name, subject, where(found, home), place)
    elif name == "esmtppassword":
        yield note(name, subject, "there is none; mail is sent without a login", place)
    elif name == "password" and os.isatty(0):
        text = "there is none; a run at a terminal asks for it, a daemon cannot"
        hint = 'write "passwordeval", "passwordfile" or another way into the rc file'
        yield warning(name, subject, text, place, hint)
    else:
        text = "there is none, neither in the rc file nor in ~/.netrc"
        hint = f'write "{name}eval", "{name}file" or another way into the rc file'
        yield error(name, subject, text, place, hint, ExitCode.AUTHFAIL)


def where(found: tuple[object, object] | None, home: str) -> str:
    """Return where a secret was found. A command is not named: it may contain other secrets."""
    if found is None:
        return f"in {home}/.netrc"
    way, argument = found
    suffix = cast(str, getattr(way, "suffix", ""))
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if suffix == FILE and credentials:
        credential = os.path.join(credentials, os.path.basename(str(argument)))
        if os.path.exists(credential):
            return f"in the systemd credential {os.path.basename(credential)}"
    words = {
        FILE: f"in {argument}",
        EVAL: "printed by its command",
        DESCRIPTOR: f"read from descriptor {argument}",
        VARIABLE: f"in the environment variable {argument}",
        KEYRING: f"in the keyring ({argument})",
    }
    return words[suffix]


# Tokens


def check_tokens(settings: AccountSettings, context: PollContext) -> Iterator[Finding]:
    """Check the tokens that an account uses; the issuer is not asked."""
    seen: set[str] = set()
    for use in uses_of(settings):
        account = oauth_account(settings, context, use.user)
        store = store_for(context, account.owner)
        if store.path in seen:
            continue
        seen.add(store.path)
        try:
            saved = store.peek()
        except PollFailed as failure:
            hint = f'remove it, and use "mailhaul login {account.label}"'
            yield from_failure(failure, "token", "OAuth token", store.path, hint)
            continue
        login = f"mailhaul login {account.label}"
        has_seed = settings.oauthrefresh is not None or way_of(settings, "oauthrefresh") is not None
        asks_user = account.owner.grant in {CODE, DEVICE} and not has_seed
        if saved.failures:
            text, place = sentence_of(account, saved), account.place
            if saved.kind == CONSENT:
                yield error("token", "OAuth token", text, place, login, ExitCode.AUTHFAIL)
            else:
                yield warning("token", "OAuth token", text, place, f"wait, or use: {login}")
        elif (refusal := saved.refusal(use.server)).failures:
            text = sentence_of_refusal(account, use.server, refusal)
            yield warning("token", "OAuth token", text, account.place, f"use: {login}")
        elif saved.access is None and saved.refresh is None and asks_user:
            text = f"nobody has signed in yet as {account.label}"
            yield error("token", "OAuth token", text, account.place, login, ExitCode.AUTHFAIL)
        else:
            yield token_state(saved, store.path, login, asks_user=asks_user)


def token_state(saved: SavedToken, path: str, login: str, *, asks_user: bool) -> Finding:
    """Return the finding for a token without failures."""
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(saved.expires))
    if saved.access is not None and saved.expires > time.time():
        more = ", then renewed" if saved.refresh or not asks_user else ""
        return ok("token", "OAuth token", f"valid until {until}{more}", path)
    if saved.refresh is not None:
        return ok("token", "OAuth token", "renewed when it is needed", path)
    if saved.access is not None and asks_user:
        text = f"it expired at {until}, and there is no refresh token"
        return error("token", "OAuth token", text, path, login, ExitCode.AUTHFAIL)
    return note("token", "OAuth token", "the first poll asks the issuer for it", path)


# Extras


def check_extras(settings: AccountSettings) -> Iterator[Finding]:
    """Check that the packages are installed which the options in use need."""
    needed: dict[str, str] = {}
    for name in SECRETS:
        if (found := way_of(settings, name)) and found[0].suffix == KEYRING:
            needed["keyring"] = name + KEYRING
    if any(uses_of(settings)):
        needed["h11"] = "oauthissuer"
        if settings.oauthkey is not None:
            needed["cryptography"] = "oauthkey"
    for package, option in needed.items():
        if find_spec(package) is None:
            text = f'the package {package} is not installed, which "{option}" needs'
            hint = f'pip install "mailhaul[{EXTRAS[package]}]"'
            place = str(settings.place(option))
            yield error("extra", "package", text, place, hint, ExitCode.ERROR)
