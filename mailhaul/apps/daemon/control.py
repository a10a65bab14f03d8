"""The control socket, through which ``mailhaul status`` reaches the daemon.

A UNIX socket that only its user can open. A request is one line of words separated by blanks:
``status``, ``metrics``, or ``poll``, ``pause``, ``resume`` and the name of an account (without one,
all of them). The answer is one line of JSON, or OpenMetrics text for ``metrics``; then the
connection is closed.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress

import trio

from ..polls.accounts import user_at_server
from ..polls.interrupted import place_of
from ..polls.jobs import Job
from ..polls.state_folder import socket_path
from ..polls.status import shown
from .view import View

__all__ = ["Control", "socket_path"]
MAX_OCTETS = 4096
"""Octets of a request."""


class Control:
    """Answers requests at one path."""

    def __init__(self, view: View, path: str) -> None:
        self._view = view
        self._scheduler = view.scheduler
        self._path = path

    async def run(self) -> None:
        """Listen until cancelled. Raises OSError if the socket cannot be created."""
        # If no descriptor is left for a request, trio tries again; it would also print the reason.
        logging.getLogger("trio.serve_listeners").propagate = False
        logging.getLogger("trio.serve_listeners").addHandler(logging.NullHandler())
        listener = listen(self._path)
        ours = os.stat(self._path)
        try:
            await trio.serve_listeners(self._answer, [trio.SocketListener(listener)])
        finally:
            # The file may have been removed, and another daemon may listen there by now.
            with suppress(OSError):
                if os.path.samestat(ours, os.stat(self._path)):
                    os.unlink(self._path)

    async def _answer(self, stream: trio.SocketStream) -> None:
        # The client may close the connection before it has the answer.
        with trio.move_on_after(10.0), suppress(trio.BrokenResourceError):
            async with stream:
                request = b""
                while b"\n" not in request and len(request) < MAX_OCTETS:
                    some = await stream.receive_some(MAX_OCTETS)
                    if not some:
                        break
                    request += some
                words = request.decode("utf-8", "surrogateescape").split()
                await stream.send_all(await self._safe_reply(words))

    async def _safe_reply(self, words: Sequence[str]) -> bytes:
        """Return the answer. A fault in it is reported to this client and affects nothing else."""
        try:
            return (await self.reply(words)).encode()
        except Exception as fault:
            problem = f"internal error, please report it: {place_of(fault)}"
            return f"{json.dumps({'error': problem})}\n".encode()

    async def reply(self, words: Sequence[str]) -> str:
        """Carry out a request, and return the answer."""
        match words:
            case ["status"]:
                return json.dumps(await self._view.document()) + "\n"
            case ["metrics"]:
                return await self._view.metrics()
            case ["metrics", "plain"]:
                return await self._view.metrics(openmetrics=False)
            case ["poll" | "pause" | "resume" as action, *_] if self._scheduler.is_shared:
                hint = f'"mailhaul accounts {action} ACCOUNT" does it for all machines'
                return (
                    json.dumps({"error": f"the accounts are those of a shared store; {hint}"})
                    + "\n"
                )
            case ["poll" | "pause" | "resume" as action, *names]:
                return json.dumps(self._act(action, names)) + "\n"
            case _:
                return json.dumps({"error": "not understood"}) + "\n"

    def _act(self, action: str, names: Sequence[str]) -> dict[str, object]:
        jobs = [job for job in self._scheduler.jobs if not names or is_named(job, names)]
        for job in jobs:
            if action == "poll":
                self._scheduler.wake_one(job)
            else:
                self._scheduler.pause(job, paused=action == "pause")
        return {"done": action, "accounts": [shown(job.key) for job in jobs]}


def is_named(job: Job, names: Sequence[str]) -> bool:
    """Whether words name this job: by its name, its server, or its user at the server."""
    settings = job.settings
    known = {job.name, job.key, settings.pollname, user_at_server(settings)}
    # A name with blanks comes as several words, and one that is not UTF-8 comes escaped.
    asked = {*names, " ".join(names)}
    return bool(asked & (known | set(map(shown, known))))


def listen(path: str) -> trio.socket.SocketType:
    """Return a socket that listens at this path and that only its owner can open.

    Raises OSError.
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    # Only one daemon runs for each user, so this file was left by one that has ended.
    if os.path.exists(path):
        os.unlink(path)
    before = os.umask(0o177)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(path)
    finally:
        os.umask(before)
    sock.listen()
    return trio.socket.from_stdlib_socket(sock)
