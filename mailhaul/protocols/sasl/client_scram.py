"""SCRAM as the client sees it: proves that it knows the password, and demands the same."""

from __future__ import annotations

from ..limits import DEFAULT_LIMITS, Limits
from ..secret import Secret
from . import scram
from .client_mechanisms import ClientExchange
from .credentials import (
    ChannelBinding,
    check_binding,
    check_identity,
    check_password,
    check_user,
)
from .errors import SaslLimitExceeded, ScramRefused
from .exchange import decode_base64, encode_base64
from .saslprep import saslprep


class Scram(ClientExchange):
    """SCRAM-SHA-1, SCRAM-SHA-256, and with a ``binding`` their -PLUS (RFC 5802, 7677).

    ``nonce`` is fresh and random, at least 16 bytes of randomness as printable ASCII. Without a
    binding, ``could_bind`` says that we would have one, but the server announced no -PLUS: it
    is told so, and gives up if somebody has taken the name out of what it announced (section 6).

    Answering the first challenge takes as long as the server wants, up to about a second for
    ``Limits.scram_iterations``: it is work for a thread where others wait.
    """

    def __init__(
        self,
        mechanism: bytes,
        user: bytes,
        password: Secret,
        nonce: bytes,
        binding: ChannelBinding | None = None,
        could_bind: bool = False,
        act_as: bytes = b"",
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(limits)
        self.name = mechanism + scram.PLUS if binding else mechanism
        self._hash = scram.HASHES[mechanism]
        self._password = Secret(check_password(password))
        self._nonce = scram.check_nonce(nonce)
        flag = b"y" if could_bind else b"n"
        if binding:
            flag = b"p=" + check_binding(binding).kind
        acting = b"a=" + scram.quote_name(saslprep(check_identity(act_as))) if act_as else b""
        self._header = b"%b,%b," % (flag, acting)
        self._binding_data = binding.data if binding else b""
        name = scram.quote_name(saslprep(check_user(user)))
        self._first_bare = b"n=%b,r=%b" % (name, nonce)
        self._signature = Secret(b"")

    def _begin(self) -> bytes:
        self._next = self._prove
        return self._header + self._first_bare

    def _prove(self, server_first: bytes) -> bytes:
        """Answer the server's salt with our proof (section 3)."""
        self._raise_error(server_first)
        parts = scram.SERVER_FIRST.fullmatch(server_first)
        if parts is None:
            raise self._broken("the server's first message is malformed")
        nonce = parts["nonce"]
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise self._broken("the server's nonce does not continue ours")
        salted = self._salted(parts["salt"], self._iterations(int(parts["iterations"])))
        binding = encode_base64(self._header + self._binding_data)
        unproved = b"c=%b,r=%b" % (binding, nonce)
        said = b",".join((self._first_bare, server_first, unproved))
        key = scram.client_key(self._hash, salted)
        proof = scram.xor(key, scram.keyed(self._hash, scram.digest(self._hash, key), said))
        self._signature = Secret(
            encode_base64(scram.keyed(self._hash, scram.server_key(self._hash, salted), said))
        )
        self._next = self._verify
        return b"%b,p=%b" % (unproved, encode_base64(proof))

    def _verify(self, server_final: bytes) -> bytes:
        """Have the server prove that it knows our password too (section 3)."""
        from hmac import compare_digest

        self._raise_error(server_final)
        parts = scram.SERVER_FINAL.fullmatch(server_final)
        # Compared as base64: several spellings stand for the same bytes, and one is right.
        if parts is None or not compare_digest(parts["signature"], self._signature.reveal()):
            raise self._broken("the server does not prove that it knows the password")
        self._complete = True
        return b""

    def finish(self, data: bytes | None = None) -> None:
        """Take the server's success. Raises SaslError unless it has proved who it is.

        The proof came in the last challenge, or it comes as ``data`` with the success.
        """
        if data and self._next == self._verify:
            self.respond(data)
            data = None
        super().finish(data)

    def _iterations(self, count: int) -> int:
        if count < scram.LEAST_ITERATIONS:
            raise self._broken(f"{count} iterations are too few to protect a password")
        if count > self._limits.scram_iterations:
            raise SaslLimitExceeded("SCRAM iteration count", self._limits.scram_iterations)
        return count

    def _salted(self, salt: bytes, iterations: int) -> bytes:
        try:
            plain_salt = decode_base64(salt)
        except ValueError:
            raise self._broken("the salt is not base64") from None
        return scram.salted_password(self._hash, self._password.reveal(), plain_salt, iterations)

    def _raise_error(self, message: bytes) -> None:
        """Raise ScramRefused for ``e=``. It belongs to the end, but some say it at once."""
        if parts := scram.SERVER_ERROR.fullmatch(message):
            error = parts["error"]
            raise ScramRefused(f"{self.name.decode()}: the server says {error.decode()}", error)
