"""Chromium without a window: loads pages, types, and reports what went wrong in them.

It is spoken to in the Chrome DevTools Protocol over two pipes, JSON objects that end with NUL.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.real.servers.process import program

PATIENCE = 60.0
"""Seconds for each answer; the first one takes a moment on a busy machine."""
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)


class Browser:
    """One page of a running browser. ``troubles`` is what its console has shown."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._buffer = b""
        self._number = 0
        self._session = ""
        self._events: list[str] = []
        self.troubles: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = str(attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Call a method and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        result: Mapping[str, Any] = answer["result"]
        return result

    def _next(self) -> Mapping[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._reading, 65536)
            assert data, "the browser has ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: Mapping[str, Any] = json.loads(text)
        method, about = str(message.get("method", "")), message.get("params", {})
        self._events.append(method)
        if method in {"Runtime.exceptionThrown", "Log.entryAdded"}:
            self.troubles.append(json.dumps(about))
        if method == "Runtime.consoleAPICalled" and about["type"] in {"error", "warning"}:
            self.troubles.append(json.dumps(about))
        return message

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the page this size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def prefer(self, scheme: str) -> None:
        """Prefer light or dark pages."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def load(self, path: Path) -> None:
        """Load a file and wait until it is complete."""
        self.visit(path.as_uri())

    def visit(self, url: str) -> None:
        """Load what is at a URL and wait until it is complete."""
        self._events.clear()
        self.call("Page.navigate", url=url)
        self.await_load()

    def await_load(self) -> None:
        """Wait until the next page is complete."""
        while not self._loaded():
            self._next()
        self._events.clear()

    def _loaded(self) -> bool:
        """Tell whether a page has come and is complete; the first, empty one may end late."""
        if "Page.frameNavigated" not in self._events:
            return False
        return "Page.loadEventFired" in self._events[self._events.index("Page.frameNavigated") :]

    def value(self, expression: str) -> Any:
        """Return the value of an expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def type(self, text: str) -> None:
        """Type text into what has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key."""
        about: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)


@contextmanager
def chromium(folder: Path, *options: str) -> Generator[Browser]:
    """Start a browser whose files are in a folder of ours. Later options win."""
    path = program("/usr/bin/chromium")
    their_input, our_output = os.pipe()
    our_input, their_output = os.pipe()
    # Numbers that are not those of the two pipes in the child.
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (their_input, their_output)]
    argv = [path, *OPTIONS, *options, f"--user-data-dir={folder}/profile", "about:blank"]
    log = os.open(folder / "chromium.log", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    actions = [
        (os.POSIX_SPAWN_DUP2, theirs[0], 3),
        (os.POSIX_SPAWN_DUP2, theirs[1], 4),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    environment = {**os.environ, "HOME": str(folder)}
    pid = os.posix_spawn(path, argv, environment, file_actions=actions, setpgroup=0)
    for descriptor in (*theirs, their_input, their_output, log):
        os.close(descriptor)
    try:
        yield Browser(our_input, our_output)
    finally:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(our_input)
        os.close(our_output)
