"""The client side of SCRAM: client and server prove to each other that they know the password."""

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
    """SCRAM-SHA-1, SCRAM-SHA-256, and with a ``binding`` their -PLUS variants (RFC 5802, 7677).

    ``nonce`` is fresh and printable ASCII, with at least 16 random bytes. Without a binding,
    ``could_bind`` is true if the client supports channel binding but the server announced no -PLUS.
    The server is told this, and refuses if the announcement was tampered with (section 6).

    The response to the first challenge takes as long as the server's iteration count demands, up to
    about one second for ``Limits.scram_iterations``. Run it in a thread if other work must not
    wait.
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
        """Return our proof, computed with the server's salt (section 3)."""
        self._raise_error(server_first)
        parts = scram.SERVER_FIRST.fullmatch(server_first)
        if parts is None:
            raise self._error("the server's first message is malformed")
        nonce = parts["nonce"]
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise self._error("the server's nonce does not continue ours")
        salted = self._salted(parts["salt"], self._iterations(int(parts["iterations"])))
        binding = encode_base64(self._header + self._binding_data)
        without_proof = b"c=%b,r=%b" % (binding, nonce)
        auth_message = b",".join((self._first_bare, server_first, without_proof))
        key = scram.client_key(self._hash, salted)
        proof = scram.xor(
            key, scram.hmac_of(self._hash, scram.digest(self._hash, key), auth_message)
        )
        self._signature = Secret(
            encode_base64(
                scram.hmac_of(self._hash, scram.server_key(self._hash, salted), auth_message)
            )
        )
        self._next = self._verify
        return b"%b,p=%b" % (without_proof, encode_base64(proof))

    def _verify(self, server_final: bytes) -> bytes:
        """Check the server's proof that it also knows the password (section 3)."""
        from hmac import compare_digest

        self._raise_error(server_final)
        parts = scram.SERVER_FINAL.fullmatch(server_final)
        # Compared as base64: of several encodings of the same bytes, only one is correct.
        if parts is None or not compare_digest(parts["signature"], self._signature.reveal()):
            raise self._error("the server does not prove that it knows the password")
        self._complete = True
        return b""

    def finish(self, data: bytes | None = None) -> None:
        """Process the server's success reply. Raises SaslError without a valid server proof.

        The proof was in the last challenge, or is now in ``data``.
        """
        if data and self._next == self._verify:
            self.respond(data)
            data = None
        super().finish(data)

    def _iterations(self, count: int) -> int:
        if count < scram.MIN_ITERATIONS:
            raise self._error(f"{count} iterations are too few to protect a password")
        if count > self._limits.scram_iterations:
            raise SaslLimitExceeded("SCRAM iteration count", self._limits.scram_iterations)
        return count

    def _salted(self, salt: bytes, iterations: int) -> bytes:
        try:
            plain_salt = decode_base64(salt)
        except ValueError:
            raise self._error("the salt is not base64") from None
        return scram.salted_password(self._hash, self._password.reveal(), plain_salt, iterations)

    def _raise_error(self, message: bytes) -> None:
        """Raise ScramRefused for ``e=``, which some servers send before the final message."""
        if parts := scram.SERVER_ERROR.fullmatch(message):
            error = parts["error"]
            problem = f"{self.name.decode()}: the server reports {error.decode()}"
            raise ScramRefused(problem, error)
