"""Get a new consent from the user: the flows of ``mailhaul login``."""

from __future__ import annotations

from collections.abc import Callable

from ...flows.requests import Now, Sleep
from ...protocols.errors import LocalProtocolError
from ...protocols.http import HttpRequest
from ...protocols.oauth.code_flow import CodeFlow
from ...protocols.oauth.device_flow import DeviceFlow
from ...protocols.oauth.discovery import AuthorizationServer
from ...protocols.oauth.results import (
    DeviceCode,
    Misconfigured,
    Pause,
    Refused,
    TokenResult,
    TryLater,
)
from .grants import Issuer, Proof

CODE_TRIES = 3
"""Times that the request with a code is sent, if the issuer has trouble."""


async def begin_code_flow(
    issuer: Issuer, server: AuthorizationServer, redirect: str, user: str
) -> CodeFlow | Refused:
    """Return the flow for a consent in the browser. Raises PollFailed (IOERR)."""
    proof = await issuer.proof()
    if not isinstance(proof, Proof):
        return proof
    client = await issuer.registration(server, proof)
    try:
        return CodeFlow(
            server, client, issuer.scope(server), redirect, issuer.random, login_hint=user
        )
    except LocalProtocolError as error:
        return Misconfigured("oauthgrant", str(error))


async def finish_code_flow(issuer: Issuer, flow: CodeFlow, request: HttpRequest) -> TokenResult:
    """Exchange the code for tokens."""
    result: TokenResult = TryLater("no answer")
    for attempt in range(CODE_TRIES):
        response = await issuer.send(request)
        if isinstance(response, TryLater):
            # It may have arrived, and a code is valid once.
            return response
        result = flow.receive_response(response)
        if not isinstance(result, TryLater):
            break
        await Sleep(2.0 * (attempt + 1))
    return result


async def by_device(
    issuer: Issuer, server: AuthorizationServer, show: Callable[[DeviceCode], None]
) -> TokenResult:
    """Get a consent by the device flow; ``show`` is called with what the user has to do.

    Raises PollFailed (IOERR).
    """
    proof = await issuer.proof()
    if not isinstance(proof, Proof):
        return proof
    client = await issuer.registration(server, proof)
    flow = DeviceFlow(server, client, issuer.scope(server))
    try:
        request = flow.begin()
    except LocalProtocolError as error:
        return Misconfigured("oauthgrant", str(error))
    response = await issuer.send(request)
    if isinstance(response, TryLater):
        return response
    code = flow.receive_code(response, await Now())
    if not isinstance(code, DeviceCode):
        return code
    show(code)
    seconds = flow.interval
    while True:
        await Sleep(seconds)
        question = flow.ask(await Now())
        if not isinstance(question, HttpRequest):
            return question
        response = await issuer.send(question)
        if isinstance(response, TryLater):
            step: TokenResult | Pause = flow.receive_failure()
        else:
            step = flow.receive_response(response)
        if not isinstance(step, Pause):
            return step
        seconds = step.seconds
