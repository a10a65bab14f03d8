"""The server side of SCRAM: check a proof with keys derived from a password (RFC 5802, 7677)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ..limits import Limits
from ..record import Record
from . import scram
from .exchange import Challenge, decode_base64, encode_base64
from .saslprep import saslprep
from .server_mechanisms import Accounts, Refused, ServerExchange, Verdict


class Claim(Record):
    """The identity that the client claims, and the state of the exchange.

    ``binding`` is the base64 that the client must repeat: its own channel-binding header, and our
    binding data. ``messages`` is the beginning of the auth message.
    """

    user: bytes
    act_as: bytes
    keys: scram.ScramKeys
    nonce: bytes
    binding: bytes
    messages: bytes
    _hidden = frozenset({"nonce", "binding", "messages"})


class ScramServer(ServerExchange):
    """SCRAM-SHA-1, SCRAM-SHA-256, and with ``plus`` their -PLUS variants.

    An unknown user gets a salt and a full exchange like any other user, and is refused because of
    the proof. Our own proof is sent as the last challenge, to which the client sends an empty
    response: the success replies of POP3, IMAP and SMTP have no place for it.
    """

    def __init__(
        self,
        mechanism: bytes,
        accounts: Accounts,
        nonce: bytes,
        bindings: Mapping[bytes, bytes],
        plus: bool,
        limits: Limits,
    ) -> None:
        super().__init__(accounts, limits)
        self.name = mechanism + scram.PLUS if plus else mechanism
        self._mechanism = mechanism
        self._hash = scram.HASHES[mechanism]
        self._bindings = bindings
        self._plus = plus
        self._nonce = scram.check_nonce(nonce)

    def _first(self, message: bytes) -> Verdict:
        """Return salt and iteration count for the client's name and nonce (section 3)."""
        parts = scram.CLIENT_FIRST.fullmatch(message)
        if parts is None:
            return Refused("not a SCRAM message", malformed=True)
        if refused := self._check_flag(message[:1], parts["kind"]):
            return refused
        try:
            user = saslprep(scram.unquote_name(parts["user"]))
            act_as = saslprep(scram.unquote_name(parts["act_as"] or b""))
        except ValueError:
            return Refused("the user name is not a valid SCRAM name", malformed=True)
        keys = self._accounts.scram(user, self._mechanism) or self._decoy_keys(user)
        nonce = parts["nonce"] + self._nonce
        server_first = b"r=%b,s=%b,i=%d" % (nonce, encode_base64(keys.salt), keys.iterations)
        claim = Claim(
            user,
            act_as,
            keys,
            nonce,
            encode_base64(parts["header"] + self._bindings.get(parts["kind"], b"")),
            b"%b,%b" % (parts["bare"], server_first),
        )
        self._next = partial(self._check_proof, claim)
        return Challenge(server_first)

    def _check_flag(self, flag: bytes, kind: bytes | None) -> Refused | None:
        """Check the client's channel-binding flag against our own bindings (section 6)."""
        if (flag == b"p") != self._plus:
            return Refused("the channel-binding flag contradicts the mechanism", malformed=True)
        if kind is not None and kind not in self._bindings:
            return Refused("this kind of channel binding is not available")
        if flag == b"y" and self._bindings:
            return Refused("the client did not see the -PLUS mechanisms: man in the middle")
        return None

    def _check_proof(self, claim: Claim, message: bytes) -> Verdict:
        """Check the client's proof, and return our own proof (section 3)."""
        from hmac import compare_digest

        parts = scram.CLIENT_FINAL.fullmatch(message)
        if parts is None:
            return Refused("not a SCRAM client-final-message", malformed=True)
        if parts["nonce"] != claim.nonce:
            return Refused("the nonce is not ours", malformed=True)
        if not compare_digest(parts["binding"], claim.binding):
            return Refused("the channel bindings do not match: man in the middle")
        auth_message = b"%b,%b" % (claim.messages, parts["without_proof"])
        if not self._is_valid_proof(parts["proof"], claim.keys.stored_key, auth_message):
            return Refused("wrong user name or password")
        self._next = partial(self._finish, claim)
        signature = scram.hmac_of(self._hash, claim.keys.server_key, auth_message)
        return Challenge(b"v=" + encode_base64(signature))

    def _is_valid_proof(self, proof: bytes, stored_key: bytes, auth_message: bytes) -> bool:
        """Whether the proof contains the key whose hash is ``stored_key``."""
        from hmac import compare_digest

        try:
            key = scram.xor(
                decode_base64(proof), scram.hmac_of(self._hash, stored_key, auth_message)
            )
        except ValueError:
            return False
        return compare_digest(scram.digest(self._hash, key), stored_key)

    def _finish(self, claim: Claim, message: bytes) -> Verdict:
        if message:
            return Refused("the response to our proof is not empty", malformed=True)
        return self._authorize(claim.user, claim.act_as)

    def _decoy_keys(self, user: bytes) -> scram.ScramKeys:
        """Return keys that match no proof; they are always the same for a name (section 9)."""
        decoy = self._accounts.decoy.reveal()
        salt = scram.hmac_of(self._hash, decoy, b"salt " + user)[:16]
        key = scram.hmac_of(self._hash, decoy, b"key " + user)
        return scram.ScramKeys(salt, self._accounts.decoy_iterations, key, key)
