"""A line to a port, run as a process of its own so that it can be cut: ``python line.py PORT TO``.

It says that it listens on its standard output. SIGKILL ends it as a crash would; SIGUSR1 resets
both sides, as a router does that has forgotten them; SIGSTOP leaves it standing and silent.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from threading import Thread

ends: list[socket.socket] = []


def reset(*_: object) -> None:
    """Close all connections by RST, and end."""
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os._exit(0)


def carry(source: socket.socket, target: socket.socket) -> None:
    """Carry octets one way until either end is closed."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def main() -> None:
    """Carry whatever comes, until somebody ends it."""
    signal.signal(signal.SIGUSR1, reset)
    port, to = map(int, sys.argv[1:])
    with socket.create_server(("127.0.0.1", port)) as listener:
        print("listening", flush=True)
        while True:
            near, _ = listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", to))
            except OSError:
                near.close()
                continue
            ends.extend((near, far))
            for pair in ((near, far), (far, near)):
                Thread(target=carry, args=pair, daemon=True).start()


if __name__ == "__main__":
    main()
