"""SCRAM as the server sees it: checks a proof by keys made from the password (RFC 5802, 7677)."""

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
    """Who the client wants to be, and what has been said so far.

    ``binding`` is what the client has to repeat: its own words on channel binding, and our data.
    """

    user: bytes
    act_as: bytes
    keys: scram.ScramKeys
    nonce: bytes
    binding: bytes
    said: bytes
    _hidden = frozenset({"nonce", "binding", "said"})


class ScramServer(ServerExchange):
    """SCRAM-SHA-1, SCRAM-SHA-256, and with ``plus`` the -PLUS of either.

    A user who does not exist gets a salt and a full exchange like any other, and is refused for
    the proof. Our own proof goes out as a last challenge, which the client answers with nothing:
    POP3, IMAP and SMTP have no room for it in their success.
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
        """Answer the client's name and nonce with salt and iterations (section 3)."""
        parts = scram.CLIENT_FIRST.fullmatch(message)
        if parts is None:
            return Refused("not a SCRAM message", malformed=True)
        if refused := self._check_flag(message[:1], parts["kind"]):
            return refused
        try:
            user = saslprep(scram.unquote_name(parts["user"]))
            act_as = saslprep(scram.unquote_name(parts["act_as"] or b""))
        except ValueError:
            return Refused("not a name as SCRAM writes it", malformed=True)
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
        """Compare what the client says of channel binding with what we have (section 6)."""
        if (flag == b"p") != self._plus:
            return Refused("channel binding and the mechanism's name do not fit", malformed=True)
        if kind is not None and kind not in self._bindings:
            return Refused("a channel binding that we do not have")
        if flag == b"y" and self._bindings:
            return Refused("the client did not see that we bind channels: somebody is between us")
        return None

    def _check_proof(self, claim: Claim, message: bytes) -> Verdict:
        """Check that the client holds the key, and prove that we hold ours (section 3)."""
        from hmac import compare_digest

        parts = scram.CLIENT_FINAL.fullmatch(message)
        if parts is None:
            return Refused("not the end of a SCRAM exchange", malformed=True)
        if parts["nonce"] != claim.nonce:
            return Refused("not our nonce", malformed=True)
        if not compare_digest(parts["binding"], claim.binding):
            return Refused("the channels do not match: somebody is between us")
        said = b"%b,%b" % (claim.said, parts["unproved"])
        if not self._proves(parts["proof"], claim.keys.stored_key, said):
            return Refused("wrong user name or password")
        self._next = partial(self._end, claim)
        signature = scram.keyed(self._hash, claim.keys.server_key, said)
        return Challenge(b"v=" + encode_base64(signature))

    def _proves(self, proof: bytes, stored_key: bytes, said: bytes) -> bool:
        """Whether the proof hides the key that the stored one is the hash of."""
        from hmac import compare_digest

        try:
            key = scram.xor(decode_base64(proof), scram.keyed(self._hash, stored_key, said))
        except ValueError:
            return False
        return compare_digest(scram.digest(self._hash, key), stored_key)

    def _end(self, claim: Claim, message: bytes) -> Verdict:
        if message:
            return Refused("words where none belong", malformed=True)
        return self._let_in(claim.user, claim.act_as)

    def _decoy_keys(self, user: bytes) -> scram.ScramKeys:
        """Return keys that no proof fits, the same each time for a name (section 9)."""
        decoy = self._accounts.decoy.reveal()
        salt = scram.keyed(self._hash, decoy, b"salt " + user)[:16]
        key = scram.keyed(self._hash, decoy, b"key " + user)
        return scram.ScramKeys(salt, self._accounts.decoy_iterations, key, key)
