"""The device flow: the user signs in elsewhere, and we ask until they have (RFC 8628)."""

from __future__ import annotations

from typing import Final

from ..errors import LocalProtocolError
from ..http import HttpRequest, HttpResponse, parse_url
from ..secret import Secret
from ..transitions import State
from . import device_states as states
from .client import Registration, ask_for_device_code, poll_device_code, read_tokens, usable
from .discovery import AuthorizationServer
from .encoding import json_object, plain_words, seconds_of, text_of
from .errors import refusal_of
from .results import DeviceCode, Expired, Pause, Refused, TokenResult, Tokens, TryLater

INTERVAL: Final = 5
"""Seconds between requests if the server does not say (RFC 8628, 3.2)."""
SLOWER: Final = 5
"""Seconds to add after ``slow_down`` (RFC 8628, 3.5)."""
MAX_INTERVAL: Final = 60
"""Seconds. A user who has agreed does not wait longer than this."""
MAX_LIFETIME: Final = 24 * 3600
MAX_USER_CODE: Final = 64


class DeviceFlow:
    """One consent. ``now`` is in seconds, by any clock that does not jump.

    Send the request of ``begin``; pass the response to ``receive_code``; show the code; then, after
    each pause, send the request of ``ask`` and pass the response to ``receive_response``. Raises
    LocalProtocolError for calls in another order, and for a server without a device flow.
    """

    def __init__(
        self, server: AuthorizationServer, client: Registration, scope: tuple[str, ...]
    ) -> None:
        self._server = server
        self._client = client
        self._scope = scope
        self._device_code: Secret | None = None
        self._interval = INTERVAL
        self._deadline = 0.0
        self._request: HttpRequest | None = None
        self._place = states.table.begin()
        self._dialogue = states.table.dialogue(self._place)

    @property
    def state(self) -> State:
        """The current state, one of those in device_states.py."""
        return self._place.state

    @property
    def interval(self) -> int:
        """The seconds to wait before the next ``ask``."""
        return self._interval

    def begin(self) -> HttpRequest:
        """Return the request for a device code."""
        self._expect(states.new, "a second beginning")
        self._request = ask_for_device_code(self._server, self._client, self._scope)
        self._dialogue.code_asked_for()
        return self._request

    def receive_code(self, response: HttpResponse, now: float) -> DeviceCode | Refused:
        """Read the response to ``begin`` (RFC 8628, 3.2)."""
        request = self._expect(states.starting, "a device code")
        found = json_object(response.body) if response.status == 200 else None
        if found is None or "error" in found:
            self._dialogue.refused()
            return refusal_of(request, response)
        code = self._code_in(found)
        if code is None:
            self._dialogue.refused()
            return TryLater("no_code", "the answer has no usable device code")
        interval = seconds_of(found, "interval", MAX_INTERVAL)
        self._interval = max(1, INTERVAL if interval is None else interval)
        self._deadline = now + code.expires_in
        self._dialogue.code_received()
        return code

    def ask(self, now: float) -> HttpRequest | Expired:
        """Return the request whether the user has decided; Expired once the code has expired."""
        self._expect(states.pausing, "a question")
        if now >= self._deadline or self._device_code is None:
            self._dialogue.refused()
            return Expired("expired_token", "the code was not used in time")
        self._request = poll_device_code(self._server, self._client, self._device_code)
        self._dialogue.asked()
        return self._request

    def receive_response(self, response: HttpResponse) -> TokenResult | Pause:
        """Read the response to ``ask`` (RFC 8628, 3.5)."""
        request = self._expect(states.asking, "an answer")
        found = json_object(response.body) if response.status != 200 else None
        error = text_of(found or {}, "error")
        if error in {"authorization_pending", "slow_down"}:
            longer = SLOWER if error == "slow_down" else 0
            return self._pause(self._interval + longer)
        result = read_tokens(request, response, self._scope)
        match result:
            case Tokens():
                self._dialogue.tokens_received()
            case TryLater(retry_after=seconds):
                return self._pause(max(self._interval * 2, seconds or 0))
            case _:
                self._dialogue.refused()
        return result

    def receive_failure(self) -> Pause:
        """Note that no response came: the next pause is longer (RFC 8628, 3.5)."""
        self._expect(states.asking, "a failure")
        return self._pause(self._interval * 2)

    def _pause(self, seconds: int) -> Pause:
        self._dialogue.undecided()
        self._interval = min(seconds, MAX_INTERVAL)
        return Pause(self._interval)

    def _expect(self, state: State, what: str) -> HttpRequest:
        """Check the state; return the last request. Raises LocalProtocolError."""
        if self.state is not state:
            raise LocalProtocolError(f"{what} is not expected in state {self.state}")
        return self._request or HttpRequest("", "")

    def _code_in(self, found: dict[str, object]) -> DeviceCode | None:
        device = text_of(found, "device_code")
        code = plain_words(text_of(found, "user_code"))
        # Google formerly used another name.
        uri = text_of(found, "verification_uri") or text_of(found, "verification_url")
        if not usable(device) or not 0 < len(code) <= MAX_USER_CODE or not is_web_address(uri):
            return None
        complete = text_of(found, "verification_uri_complete")
        self._device_code = Secret(device.encode("ascii"))
        return DeviceCode(
            code,
            uri,
            complete if is_web_address(complete) else "",
            seconds_of(found, "expires_in", MAX_LIFETIME) or 600,
        )


def is_web_address(text: str) -> bool:
    """Whether a text is an address that may be shown and opened."""
    try:
        parse_url(text)
    except LocalProtocolError:
        return False
    return True
