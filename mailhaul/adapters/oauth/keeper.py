"""Gives out access tokens that work: saved ones while they are valid, else new ones.

The file of the owner is the only memory, so the rules hold across polls, programs and restarts:

* An access token is renewed shortly before it expires, and otherwise only if a mail server refuses
  it: once, and not again for the token that came in its place.
* After a failure of the issuer nothing is tried for some time, at most five times an hour (WAITS).
  So it is after a refusal by a mail server, for that server alone: SMTP may be switched off for a
  mailbox that is read by IMAP.
* What the issuer has answered is on disk before anything else happens.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256

from ...flows.outcome import ExitCode, PollFailed, RefusedHere
from ...flows.requests import Call, Now, Sleep
from ...protocols.oauth.advice import advice_for_mail
from ...protocols.oauth.discovery import AuthorizationServer
from ...protocols.oauth.encoding import plain_words
from ...protocols.oauth.results import Misconfigured, Refused, TokenResult, Tokens, TryLater
from ...protocols.record import replace
from ...protocols.secret import Secret
from .accounts import OAuthAccount
from .grants import LOST, Issuer, Proof
from .saved import (
    CONSENT,
    LATER,
    MAIL,
    SETTINGS,
    Refusal,
    SavedToken,
    accepted_by,
    failed,
    refused_by,
    renewed,
    replaced_for,
    rests,
    was_replaced,
)
from .store import TokenStore
from .words import sentence_of, sentence_of_refusal

MARGIN = 300.0
"""Seconds before its end at which a token is renewed: a login and a transfer may take that long."""
LAST_MOMENT = 20.0
"""Seconds before its end up to which a token is used if no other can be got."""
DISCOVERY_SECONDS = 24 * 3600.0
"""Seconds for which a discovered endpoint is used without asking again."""
LOCK_SECONDS = 120.0
LOCK_INTERVAL = 0.2

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class TokenKeeper:
    """The token of one account; see ``adapters.login.access.TokenSource``.

    ``server`` is the name of the mail server that the token is for, as errors show it.
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
        server: str = "",
    ) -> None:
        self._account = account
        self._store = store
        self._issuer = issuer
        self._clock = clock
        self._hide = hide
        self._hold = hold
        self._note = note
        self._server = server
        self._troubled = False
        self._given: tuple[Secret, ...] = ()
        self._seed: str | None = None

    @property
    def pop3_in_two_lines(self) -> bool:
        """Whether POP3 AUTH must not have an initial response."""
        return self._account.owner.provider.pop3_in_two_lines

    async def token(self) -> Secret:
        """Return an access token. Raises PollFailed if there is none now."""
        saved = await Call(self._store.load)
        token = self._valid(saved, MARGIN)
        self._troubled = saved.refusal(self._server).failures > 0
        if token is None or self._is_resting(saved):
            token = await self._renew(None)
        self._note("", "")
        return self._give(token)

    async def replacement(self, refused: Secret) -> Secret | None:
        """Return another token after a mail server has refused this one.

        None means that this server has had a new one a short time ago. Raises PollFailed if the
        issuer gives none: that is the reason then.
        """
        token = await self._renew(refused)
        return None if token.reveal() == refused.reveal() else self._give(token)

    def _give(self, token: Secret) -> Secret:
        self._hide(token)
        self._given = (*self._given[-1:], token)
        return token

    async def accepted(self) -> None:
        """Note that the mail server has accepted the token."""
        if self._troubled:
            self._troubled = False
            await self._update(lambda saved: accepted_by(saved, self._server))

    async def refused(self, words: str) -> str:
        """Note that the mail server refuses the token; return what helps, or ""."""
        # Some servers repeat what they were sent, and this is shown in other places than the log.
        shown = plain_words(words, self._given)

        def change(saved: SavedToken) -> SavedToken:
            if saved.kind in {CONSENT, SETTINGS}:
                # That is why there is no other token, and what the user has to know.
                return saved
            return refused_by(saved, self._server, shown, self._clock())

        saved = await self._update(change)
        self._troubled = True
        if saved.kind in {CONSENT, SETTINGS}:
            self._note(saved.kind, sentence_of(self._account, saved))
        else:
            refusal = saved.refusal(self._server)
            self._note(MAIL, sentence_of_refusal(self._account, self._server, refusal))
        return advice_for_mail(words)

    # Signing in and out

    async def adopt(self, tokens: Tokens, server: AuthorizationServer) -> None:
        """Save the tokens of a new consent in place of all that was saved. Raises PollFailed."""
        seed = await self._outside_seed() if self._seed is None else self._seed
        await self._update(
            lambda saved: replace(
                renewed(SavedToken(seed=seed or saved.seed), tokens, self._clock()),
                asked=self._issuer.own_scope,
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
        """Raise PollFailed unless what is saved can be read and replaced: before a consent.

        What ``adopt`` needs to know is read as well, so that nothing comes between the issuer's
        answer and the file.
        """
        try:
            await self._take_lock()
            await Call(self._store.load)
            await Call(self._store.turn(self._store.prepare))
        finally:
            self._store.unlock()
        self._seed = await self._outside_seed()

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
            known = self._known(saved, refused)
            if known is not None:
                return known
            # A full disk must be noticed before the issuer replaces the refresh token.
            await Call(self._store.turn(self._store.prepare))
            # Whatever may take long comes before the hold, such as a command for a secret.
            saved, server = await self._find_server(await self._seeded(saved))
            proof = await self._issuer.proof()
            with self._hold():
                saved, result = await self._ask(saved, server, proof)
                # No wait may come between the answer and this, and no signal ends the program.
                with signals_held():
                    saved = self._after(saved, result, refused=refused is not None)
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

    def _known(self, saved: SavedToken, refused: Secret | None) -> Secret | None:
        """Return the token to use without asking the issuer, or None. Raises PollFailed."""
        known = self._valid(saved, MARGIN)
        same = known is not None and refused and known.reveal() == refused.reveal()
        if known is not None and same and was_replaced(saved, self._server, self._clock()):
            return known
        refusal = saved.refusal(self._server)
        if rests(refusal.failures, refusal.next_try, self._clock()):
            raise self._refusal(refusal)
        if rests(saved.failures, saved.next_try, self._clock()):
            return self._at_rest(saved)
        return None if same else known

    async def _find_server(
        self, saved: SavedToken
    ) -> tuple[SavedToken, AuthorizationServer | Refused]:
        """Return the endpoints of the issuer, and what is saved together with them."""
        server = self._known_server(saved)
        if server is not None:
            return saved, server
        found = await self._issuer.server()
        if isinstance(found, AuthorizationServer):
            saved = replace(saved, server=pairs_of(found), discovered=self._clock())
        return saved, found

    async def _ask(
        self, saved: SavedToken, server: AuthorizationServer | Refused, proof: Proof | Refused
    ) -> tuple[SavedToken, TokenResult]:
        """Ask the issuer for new tokens. Nothing here may wait for anything but its answer."""
        if not isinstance(server, AuthorizationServer):
            return saved, server
        if not isinstance(proof, Proof):
            return saved, proof
        scope = saved.scope
        if own := self._issuer.own_scope:
            # What other entries have asked for stays in it, as all of them share the token.
            scope = tuple(dict.fromkeys((*saved.asked, *own)))
            saved = replace(saved, asked=scope)
        result = await self._issuer.renew(server, saved.refresh, scope, proof)
        if saved.refresh and saved.failures == 0 and is_lost(result):
            # The issuer may have replaced the refresh token. Many accept the old one once more, for
            # some seconds only; for the others waiting makes no difference.
            saved = replace(saved, failures=1)
            result = await self._issuer.renew(server, saved.refresh, scope, proof)
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

    def _after(self, saved: SavedToken, result: TokenResult, *, refused: bool) -> SavedToken:
        """Return what to save after an answer of the issuer.

        ``refused`` is true if the mail server has refused the token before.
        """
        now = self._clock()
        if isinstance(result, TryLater | Misconfigured) and result.refresh_token is not None:
            # An answer that cannot be used may have replaced the refresh token all the same.
            saved = replace(saved, refresh=result.refresh_token)
        match result:
            case Tokens():
                saved = renewed(saved, result, now)
                return replaced_for(saved, self._server, now) if refused else saved
            case TryLater():
                return failed(saved, LATER, result.reason, result.words, now, result.retry_after)
            case Misconfigured():
                # What has been asked for may be the reason, and may no longer be needed.
                saved = replace(saved, server=(), asked=())
                return failed(saved, SETTINGS, result.reason, result.words, now)
            case _:
                saved = replace(saved, asked=())
                return failed(saved, CONSENT, result.reason, result.words, now)

    # What is saved

    def _valid(self, saved: SavedToken, margin: float) -> Secret | None:
        """Return the saved token if it is valid for this many seconds."""
        # A clock that was set back makes a token look too young.
        age = self._clock() - saved.obtained
        left = saved.expires - self._clock()
        if not {*self._issuer.own_scope} <= {*saved.asked}:
            # It was got for another entry, which needs less.
            return None
        short = (saved.expires - saved.obtained) / 2
        return saved.access if age >= 0 and left > min(margin, short) else None

    def _is_resting(self, saved: SavedToken) -> bool:
        """Whether nothing is tried now: at the issuer, or at the mail server."""
        refusal, now = saved.refusal(self._server), self._clock()
        return rests(saved.failures, saved.next_try, now) or rests(
            refusal.failures, refusal.next_try, now
        )

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
        while not await Call(self._store.turn(self._store.try_lock)):
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
        return PollFailed(code, f"{sentence}; {self._next_try(saved.next_try)}")

    def _refusal(self, refusal: Refusal) -> RefusedHere:
        """Return the error while the mail server rests after a refusal."""
        sentence = sentence_of_refusal(self._account, self._server, refusal)
        self._note(MAIL, sentence)
        again = self._next_try(refusal.next_try)
        return RefusedHere(ExitCode.AUTHFAIL, f"{sentence}; {again}")

    def _next_try(self, when: float) -> str:
        left = max(1, round((when - self._clock()) / 60))
        return f"the next try is in {left} minute{'s' if left > 1 else ''}"


@contextmanager
def signals_held() -> Generator[None]:
    """Let the signals that end a program wait until the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
