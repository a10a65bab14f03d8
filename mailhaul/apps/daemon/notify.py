"""Notifications to systemd: ready, reloading, stopping, alive.

See sd_notify(3) and systemd.service(5).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends datagrams to the service manager, if there is one. No method raises."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        microseconds = environ.get("WATCHDOG_USEC", "")
        meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = int(microseconds) / 1e6 if meant and microseconds.isdecimal() else 0.0
        """Seconds within which ``alive`` has to be called; 0 without a watchdog."""

    def ready(self, status: str) -> None:
        """Report that the service is up, or up again after a reload."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self, microseconds: int) -> None:
        """Report that the configuration is being read again, with the time of CLOCK_MONOTONIC."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Report the state of the service in one line."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A name that begins with "@" is in the abstract name space.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(text.encode("utf-8", "replace"), socket.MSG_DONTWAIT, address)
        except (OSError, ValueError):
            return
