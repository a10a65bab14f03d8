"""The device flow: RFC 8628."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.http import HttpRequest, HttpResponse
from mailhaul.protocols.oauth.device_flow import DeviceFlow
from mailhaul.protocols.oauth.results import (
    Denied,
    DeviceCode,
    Expired,
    Misconfigured,
    Pause,
    Tokens,
    TryLater,
)
from mailhaul.protocols.record import replace

from .samples import PUBLIC, SCOPE, SERVER, answer, granted, parameters


def code(**changes: Any) -> HttpResponse:
    document = {
        "device_code": "the-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://issuer.example/device",
        "verification_uri_complete": "https://issuer.example/device?user_code=WDJB-MJHT",
        "expires_in": 1800,
        "interval": 7,
    }
    return answer(**{name: value for name, value in {**document, **changes}.items() if value})


def started(**changes: Any) -> DeviceFlow:
    running = DeviceFlow(SERVER, PUBLIC, SCOPE)
    running.begin()
    assert isinstance(running.receive_code(code(**changes), 1000.0), DeviceCode)
    return running


def pending(error: str = "authorization_pending") -> HttpResponse:
    return answer(400, error=error)


def test_the_whole_story() -> None:
    running = DeviceFlow(SERVER, PUBLIC, SCOPE)
    first = running.begin()
    assert first.url == SERVER.device
    assert parameters(first) == {"client_id": "mailhaul-id", "scope": "imap offline_access"}
    shown = running.receive_code(code(), 1000.0)
    assert shown == DeviceCode(
        "WDJB-MJHT",
        "https://issuer.example/device",
        "https://issuer.example/device?user_code=WDJB-MJHT",
        1800,
    )
    assert running.interval == 7
    request = running.ask(1007.0)
    assert isinstance(request, HttpRequest)
    assert parameters(request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "the-device-code",
        "client_id": "mailhaul-id",
    }
    assert running.receive_response(pending()) == Pause(7)
    running.ask(1014.0)
    assert running.receive_response(pending("slow_down")) == Pause(12)
    running.ask(1026.0)
    # The longer interval stays (RFC 8628, 3.5).
    assert running.receive_response(pending()) == Pause(12)
    running.ask(1038.0)
    assert isinstance(running.receive_response(granted()), Tokens)
    assert running.state == "done"


@pytest.mark.parametrize(
    ("changes", "interval"),
    [
        ({"interval": None}, 5),
        ({"interval": -1}, 1),
        ({"interval": 10**6}, 60),
        ({"interval": "9"}, 9),
    ],
)
def test_the_interval_is_within_reason(changes: Any, interval: int) -> None:
    assert started(**changes).interval == interval


def test_a_code_expires() -> None:
    running = started()
    assert isinstance(running.ask(2799.0), HttpRequest)
    running.receive_response(pending())
    assert isinstance(running.ask(2800.0), Expired)
    assert running.state == "failed"


def test_no_answer_makes_the_pause_longer() -> None:
    running = started()
    pauses: list[int] = []
    for _ in range(4):
        running.ask(1001.0)
        pauses.append(running.receive_failure().seconds)
    assert pauses == [14, 28, 56, 60]
    running.ask(1002.0)
    assert isinstance(running.receive_response(granted()), Tokens)


def test_trouble_of_the_server_does_not_end_the_flow() -> None:
    running = started()
    running.ask(1001.0)
    assert running.receive_response(HttpResponse(503, (("retry-after", "40"),))) == Pause(40)
    running.ask(1002.0)
    assert isinstance(running.receive_response(granted()), Tokens)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("access_denied", Denied),
        ("authorization_declined", Denied),
        ("expired_token", Expired),
        ("invalid_client", Misconfigured),
    ],
)
def test_a_refusal_ends_the_flow(error: str, kind: type) -> None:
    running = started()
    running.ask(1001.0)
    assert isinstance(running.receive_response(pending(error)), kind)
    assert running.state == "failed"
    with pytest.raises(LocalProtocolError):
        running.ask(1002.0)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(400, error="unauthorized_client"), Misconfigured),
        (answer(400, error="invalid_scope"), Misconfigured),
        (HttpResponse(500), TryLater),
        (code(device_code="with space"), TryLater),
        (code(device_code=None), TryLater),
        (code(user_code=None), TryLater),
        (code(user_code="x" * 65), TryLater),
        (code(verification_uri="javascript:alert(1)"), TryLater),
        (code(verification_uri="http://issuer.example"), TryLater),
        (code(verification_uri=None), TryLater),
    ],
)
def test_without_a_usable_code_the_flow_ends(response: HttpResponse, kind: type) -> None:
    running = DeviceFlow(SERVER, PUBLIC, SCOPE)
    running.begin()
    assert isinstance(running.receive_code(response, 0.0), kind)
    assert running.state == "failed"


def test_what_is_shown_can_be_shown() -> None:
    running = DeviceFlow(SERVER, PUBLIC, SCOPE)
    running.begin()
    shown = running.receive_code(
        code(user_code="AB\x1b[2JCD", verification_uri_complete="file:///etc/passwd"), 0.0
    )
    assert isinstance(shown, DeviceCode)
    assert (shown.user_code, shown.complete_uri) == ("AB [2JCD", "")
    assert "the-device-code" not in repr(shown)


def test_google_used_another_name_for_the_address() -> None:
    running = DeviceFlow(SERVER, PUBLIC, SCOPE)
    running.begin()
    shown = running.receive_code(
        code(verification_uri=None, verification_url="https://www.google.com/device"), 0.0
    )
    assert isinstance(shown, DeviceCode)


def test_a_server_without_a_device_endpoint() -> None:
    with pytest.raises(LocalProtocolError, match="no device flow"):
        DeviceFlow(replace(SERVER, device=""), PUBLIC, SCOPE).begin()


STEPS = ("begin", "receive_code", "ask", "receive_response", "receive_failure")


def call(running: DeviceFlow, step: str) -> None:
    match step:
        case "begin":
            running.begin()
        case "receive_code":
            running.receive_code(code(), 0.0)
        case "ask":
            running.ask(1.0)
        case "receive_response":
            running.receive_response(pending())
        case _:
            running.receive_failure()


@given(st.lists(st.sampled_from(STEPS)))
def test_steps_in_any_order_are_taken_or_refused(steps: list[str]) -> None:
    allowed = {
        "new": {"begin"},
        "starting": {"receive_code"},
        "pausing": {"ask"},
        "asking": {"receive_response", "receive_failure"},
    }
    running = DeviceFlow(SERVER, PUBLIC, SCOPE)
    for step in steps:
        state = str(running.state)
        try:
            call(running, step)
        except LocalProtocolError:
            assert step not in allowed[state]
            assert running.state == state
        else:
            assert step in allowed[state]
