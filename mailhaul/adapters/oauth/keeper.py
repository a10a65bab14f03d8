"""Gives out access tokens that work: saved ones while they are valid, else new ones.

The file of the owner is the only memory, so the rules hold across polls, programs and restarts:

* An access token is renewed shortly before it expires, and otherwise only if a mail server refuses
  it: once, and not again for the token that came in its place.
* After a failure nothing is tried for some time, neither at the issuer nor at the mail server:
  at most five times an hour (WAITS).
* What the issuer has answered is on disk before anything else happens.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256

from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Call, Now, Sleep
from ...protocols.oauth.advice import advice_for, advice_for_mail
from ...protocols.oauth.discovery import AuthorizationServer
from ...protocols.oauth.encoding import plain_words
from ...protocols.oauth.providers import missing_scope
from ...protocols.oauth.results import (
    ConsentNeeded,
    Misconfigured,
    Refused,
    TokenResult,
    Tokens,
    TryLater,
)
from ...protocols.record import replace
from ...protocols.secret import Secret
from .accounts import OAuthAccount
from .grants import LOST, Issuer
from .store import SavedToken, TokenStore

MARGIN = 300.0
"""Seconds before its end at which a token is renewed: a login and a transfer may take that long."""
LAST_MOMENT = 20.0
"""Seconds before its end up to which a token is used if no other can be got."""
DEFAULT_LIFETIME = 3600
"""Seconds that a token is used if the issuer does not say how long it is valid."""
WAITS = (60, 240, 900, 1260)
"""Seconds of rest after the first failure, the second and so on: at most five tries in an hour,
also if the first one is repeated at once."""
MAX_WAIT = 3600
"""Seconds that an issuer may ask us to wait; it is asked again then, whatever it said."""
DISCOVERY_SECONDS = 24 * 3600.0
"""Seconds for which a discovered endpoint is used without asking again."""
LOCK_SECONDS = 120.0
LOCK_INTERVAL = 0.2

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

CONSENT, LATER, SETTINGS, MAIL = "consent", "later", "settings", "mail"
"""Kinds of failures. MAIL: the mail server refuses a token that the issuer has just given."""


class TokenKeeper:
    """The token of one account; see ``adapters.login.access.TokenSource``.

    ``clock`` returns seconds since 1970. ``hide`` is called with each token that is given out.
    ``hold`` returns what keeps signals and cancellations waiting from the request to the issuer
    until the answer is stored. ``note`` is called with the kind of a failure and a sentence about
    it, and with two empty texts when there is a token.
    """

    def __init__(
        self,
        account: OAuthAccount,
        store: TokenStore,
        issuer: Issuer,
        clock: Callable[[], float],
        hide: Callable[[Secret], None] = lambda secret: None,
        hold: Callable[[], AbstractContextManager[object]] = nullcontext,
        note: Callable[[str, str], None] = lambda kind, sentence: None,
    ) -> None:
        self._account = account
        self._store = store
        self._issuer = issuer
        self._clock = clock
        self._hide = hide
        self._hold = hold
        self._note = note
        self._troubled = False

    @property
    def pop3_in_two_lines(self) -> bool:
        """Whether POP3 AUTH must not have an initial response."""
        return self._account.owner.provider.pop3_in_two_lines

    async def token(self) -> Secret:
        """Return an access token. Raises PollFailed if there is none now."""
        saved = await Call(self._store.load)
        token = self._valid(saved, MARGIN)
        self._troubled = saved.forced or saved.kind == MAIL
        if token is None or self._is_resting(saved):
            token = await self._renew(None)
        self._note("", "")
        self._hide(token)
        return token

    async def replacement(self, refused: Secret) -> Secret | None:
        """Return another token after a mail server has refused this one.

        None means that this is the newest one, and was new a short time ago. Raises PollFailed if
        the issuer gives none: that is the reason then.
        """
        token = await self._renew(refused)
        if token.reveal() == refused.reveal():
            return None
        self._troubled = True
        self._hide(token)
        return token

    async def accepted(self) -> None:
        """Note that a mail server has accepted the token."""
        if not self._troubled:
            return
        self._troubled = False
        await self._update(after_login)

    async def refused(self, words: str) -> str:
        """Note that a mail server refuses the token; return what helps, or ""."""
        shown = plain_words(words)

        def change(saved: SavedToken) -> SavedToken:
            if saved.kind in {CONSENT, SETTINGS}:
                # That is why there is no other token, and what the user has to know.
                return saved
            return self._failed(saved, MAIL, "refused", shown, None)

        saved = await self._update(change)
        self._note(saved.kind, sentence_of(self._account, saved))
        return advice_for_mail(words)

    # Signing in and out

    async def adopt(self, tokens: Tokens, server: AuthorizationServer) -> None:
        """Save the tokens of a new consent in place of all that was saved. Raises PollFailed."""
        seed = await self._outside_seed()
        await self._update(
            lambda saved: replace(
                renewed(SavedToken(seed=seed or saved.seed), tokens, self._clock()),
                server=pairs_of(server),
                discovered=self._clock(),
            )
        )

    async def _outside_seed(self) -> str:
        """Return the hash of the refresh token from outside: a consent is newer than this one."""
        try:
            outside = await self._account.read_secret("oauthrefresh")
        except PollFailed:
            # The consent must be saved all the same.
            return ""
        return sha256(outside.reveal()).hexdigest() if outside else ""

    async def check(self) -> None:
        """Raise PollFailed unless what is saved can be read and replaced."""
        try:
            await self._take_lock()
            await Call(self._store.load)
            await Call(self._store.prepare)
        finally:
            self._store.unlock()

    async def saved(self) -> SavedToken:
        """Return what is saved. Raises PollFailed."""
        return await Call(self._store.load)

    async def forget(self) -> None:
        """Remove what is saved. Raises PollFailed."""
        try:
            await self._take_lock()
            self._store.remove()
        finally:
            self._store.unlock()

    # Renewing

    async def _renew(self, refused: Secret | None) -> Secret:
        """Return another token than the one that a mail server has refused, if it has.

        That is one that another program has just got, or a new one. Raises PollFailed.
        """
        try:
            await self._take_lock()
            saved = await Call(self._store.load)
            known = self._valid(saved, MARGIN)
            same = known is not None and refused and known.reveal() == refused.reveal()
            if known is not None and (same and saved.forced):
                # A new token was refused as well: the reason is elsewhere.
                return known
            if self._is_resting(saved):
                return self._at_rest(saved)
            if known is not None and not same:
                return known
            # A full disk must be noticed before the issuer replaces the refresh token.
            await Call(self._store.prepare)
            with self._hold():
                saved, result = await self._ask(saved)
                # No wait may come between the answer and this, and no signal ends the program.
                with signals_held():
                    saved = self._after(saved, result, forced=refused is not None)
                    self._store.save(saved)
        except Exception:
            await self._issuer.close()
            raise
        finally:
            self._store.unlock()
        await self._issuer.close()
        if isinstance(result, Tokens):
            return result.access_token
        last = self._valid(saved, LAST_MOMENT)
        if isinstance(result, TryLater) and last is not None and refused is None:
            return last
        raise self._failure(saved)

    async def _ask(self, saved: SavedToken) -> tuple[SavedToken, TokenResult]:
        """Ask the issuer for new tokens."""
        saved = await self._seeded(saved)
        server = self._known_server(saved)
        if server is None:
            found = await self._issuer.server()
            if not isinstance(found, AuthorizationServer):
                return saved, found
            server = found
            saved = replace(saved, server=pairs_of(server), discovered=self._clock())
        result = await self._issuer.renew(server, saved.refresh, saved.scope)
        if saved.refresh and saved.failures == 0 and is_lost(result):
            # The issuer may have replaced the refresh token. Many accept the old one once more, for
            # some seconds only; for the others waiting makes no difference.
            saved = replace(saved, failures=1)
            result = await self._issuer.renew(server, saved.refresh, saved.scope)
        return saved, result

    async def _seeded(self, saved: SavedToken) -> SavedToken:
        """Return what is saved, with a refresh token that was given from outside and is new."""
        outside = await self._account.read_secret("oauthrefresh")
        if outside is None:
            return saved
        seed = sha256(outside.reveal()).hexdigest()
        return saved if saved.seed == seed else replace(saved, seed=seed, refresh=outside)

    def _known_server(self, saved: SavedToken) -> AuthorizationServer | None:
        known = dict(saved.server)
        age = self._clock() - saved.discovered
        if not known.get("token") or not 0 <= age < DISCOVERY_SECONDS:
            return None
        return AuthorizationServer(
            issuer=known.get("issuer", ""),
            authorization="",
            token=known["token"],
            client_methods=tuple(known.get("client_methods", "").split()),
            scopes=tuple(known.get("scopes", "").split()),
        )

    def _after(self, saved: SavedToken, result: TokenResult, *, forced: bool) -> SavedToken:
        """Return what to save after an answer of the issuer."""
        match result:
            case Tokens() if saved.kind == MAIL:
                # Only a login that is accepted ends the trouble with the mail server.
                fresh = renewed(saved, result, self._clock(), forced=True)
                names = ("failures", "next_try", "kind", "reason", "words")
                return replace(fresh, **{name: getattr(saved, name) for name in names})
            case Tokens():
                return renewed(saved, result, self._clock(), forced=forced)
            case TryLater():
                seconds = result.retry_after
                return self._failed(saved, LATER, result.reason, result.words, seconds)
            case Misconfigured():
                saved = replace(saved, server=())
                return self._failed(saved, SETTINGS, result.reason, result.words, None)
            case _:
                return self._failed(saved, CONSENT, result.reason, result.words, None)

    def _failed(
        self, saved: SavedToken, kind: str, reason: str, words: str, seconds: int | None
    ) -> SavedToken:
        wait = WAITS[min(saved.failures, len(WAITS) - 1)]
        return replace(
            saved,
            failures=saved.failures + 1,
            next_try=self._clock() + max(wait, min(seconds or 0, MAX_WAIT)),
            kind=kind,
            reason=reason,
            words=words,
        )

    # What is saved

    def _valid(self, saved: SavedToken, margin: float) -> Secret | None:
        """Return the saved token if it is valid for this many seconds."""
        # A clock that was set back makes a token look too young.
        age = self._clock() - saved.obtained
        left = saved.expires - self._clock()
        short = (saved.expires - saved.obtained) / 2
        return saved.access if age >= 0 and left > min(margin, short) else None

    def _is_resting(self, saved: SavedToken) -> bool:
        """Whether nothing is tried now, because something has failed a short time ago."""
        left = saved.next_try - self._clock()
        return saved.failures > 0 and 0 < left <= MAX_WAIT

    def _at_rest(self, saved: SavedToken) -> Secret:
        """Return a token that is still valid while the issuer rests. Raises PollFailed."""
        last = self._valid(saved, LAST_MOMENT)
        if saved.kind == LATER and last is not None:
            return last
        raise self._failure(saved)

    async def _update(self, change: Callable[[SavedToken], SavedToken]) -> SavedToken:
        try:
            await self._take_lock()
            saved = change(await Call(self._store.load))
            self._store.save(saved)
        finally:
            self._store.unlock()
        return saved

    async def _take_lock(self) -> None:
        """Wait for the lock: another program may be asking the issuer. Raises PollFailed."""
        began = await Now()
        while not await Call(self._store.try_lock):
            if await Now() - began > LOCK_SECONDS:
                raise PollFailed(
                    ExitCode.LOCKBUSY, f"{self._store.path}: another mailhaul holds the lock"
                )
            await Sleep(LOCK_INTERVAL)

    # Words

    def _failure(self, saved: SavedToken) -> PollFailed:
        """Return the error for the last failure."""
        sentence = sentence_of(self._account, saved)
        self._note(saved.kind, sentence)
        if saved.kind == CONSENT:
            # The user has to act; it is the same sentence until then.
            return PollFailed(ExitCode.AUTHFAIL, sentence)
        code = ExitCode.SOCKET if saved.kind == LATER else ExitCode.AUTHFAIL
        left = max(1, round((saved.next_try - self._clock()) / 60))
        again = f"the next try is in {left} minute{'s' if left > 1 else ''}"
        return PollFailed(code, f"{sentence}; {again}")


@contextmanager
def signals_held() -> Generator[None]:
    """Let the signals that end a program wait until the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def renewed(saved: SavedToken, tokens: Tokens, now: float, *, forced: bool = False) -> SavedToken:
    """Return what to save after a success."""
    lifetime = DEFAULT_LIFETIME if tokens.expires_in is None else tokens.expires_in
    return replace(
        saved,
        access=tokens.access_token,
        expires=now + lifetime,
        obtained=now,
        refresh=tokens.refresh_token or saved.refresh,
        scope=tokens.scope,
        forced=forced,
        failures=0,
        next_try=0.0,
        kind="",
        reason="",
        words="",
    )


def after_login(saved: SavedToken) -> SavedToken:
    """Return what to save after a login. A failure of the issuer is not over by that."""
    saved = replace(saved, forced=False)
    if saved.kind != MAIL:
        return saved
    return replace(saved, failures=0, next_try=0.0, kind="", reason="", words="")


def is_lost(result: TokenResult) -> bool:
    """Whether the issuer may have obeyed a request to which no answer has come."""
    return isinstance(result, TryLater) and result.reason == LOST


def pairs_of(server: AuthorizationServer) -> tuple[tuple[str, str], ...]:
    """Return what a refresh needs to know of a server."""
    return (
        ("issuer", server.issuer),
        ("token", server.token),
        ("client_methods", " ".join(server.client_methods)),
        ("scopes", " ".join(server.scopes)),
    )


def sentence_of(account: OAuthAccount, saved: SavedToken) -> str:
    """Return why there is no token, and the next step."""
    owner = account.owner
    why = f"{saved.reason}: {saved.words}" if saved.words else saved.reason
    advice = advice_for(owner.issuer, owner.grant, refusal_in(saved))
    more = f"; {advice}" if advice else ""
    command = f'"mailhaul login {account.label}"'
    match saved.kind:
        case "consent" if saved.reason == "no_consent":
            return f"{account.label}: consent needed: there is no token yet; type {command}"
        case "consent":
            return (
                f"{account.label}: consent needed: {owner.issuer} says {why}; type {command}{more}"
            )
        case "settings":
            return f"{account.place}: {account.label}: {owner.issuer} says {why}{more}"
        case "mail":
            return f"{account.label}: the mail server refuses a new token ({why})"
        case _:
            return f"{account.label}: {owner.issuer} gives no token now ({why})"


def refusal_in(saved: SavedToken) -> Refused:
    """Return the last refusal as a value."""
    if saved.kind == CONSENT:
        return ConsentNeeded(saved.reason, saved.words)
    kind = Misconfigured if saved.kind == SETTINGS else TryLater
    return kind(saved.reason, saved.words)


def lacking(asked: tuple[str, ...], tokens: Tokens) -> str:
    """Return a sentence about permissions that the user did not give, or ""."""
    missing = missing_scope(asked, tokens.scope)
    if not missing:
        return ""
    return f"the consent does not include {', '.join(missing)}: sign in again and allow all of it"
