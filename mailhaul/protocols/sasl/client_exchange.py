"""The client's side of an authentication on the wire: base64 in, base64 out.

The protocols differ in what stands around the base64. What may follow what is in client_states.py.
"""

from __future__ import annotations

from ..errors import LocalProtocolError, RemoteProtocolError
from . import client_states as states
from .exchange import (
    NO_CHALLENGE,
    Challenge,
    Respond,
    ResponseCommand,
    decode_base64,
    encode_base64,
)

CANCEL = b"*"


class ClientExchange:
    """One authentication, from its command to the reply.

    ``kept`` is an initial response that did not go along with the command.
    """

    def __init__(self, kept: bytes | None = None) -> None:
        self._kept = kept
        self._place = states.table.begin()
        self._dialogue = states.table.dialogue(self._place)
        if kept is not None:
            self._dialogue.initial_response_kept()

    @property
    def cancelled(self) -> bool:
        """Whether the server can only refuse now."""
        return self._place.state is states.cancelled

    def challenge(self, words: bytes) -> Challenge | bytes:
        """Hear a challenge in base64. Return its event, or the line that answers it at once.

        Raises RemoteProtocolError for one that is out of turn.
        """
        if self.cancelled:
            raise RemoteProtocolError("a challenge after the authentication was cancelled")
        if self._place.state is states.challenged:
            raise RemoteProtocolError("a challenge before the last one was answered")
        if self._place.state is states.keeping:
            # Whatever it says: the first challenge of a mechanism in which we begin asks for that.
            self._dialogue.initial_response_asked_for()
            return encode_base64(self._kept or b"")
        try:
            challenge = Challenge(decode_base64(words.strip(b" ")))
        except ValueError:
            # Some say "PLAIN supported": this mechanism cannot go on, another one may.
            self._dialogue.cancelled()
            return CANCEL
        self._dialogue.challenged()
        return challenge

    def respond(self, command: ResponseCommand) -> bytes:
        """Return the line that answers the challenge. Raises LocalProtocolError without one."""
        if self._place.state is not states.challenged:
            raise LocalProtocolError(NO_CHALLENGE)
        if isinstance(command, Respond):
            line = encode_base64(command.response.reveal())
            self._dialogue.responded()
            return line
        self._dialogue.cancelled()
        return CANCEL
