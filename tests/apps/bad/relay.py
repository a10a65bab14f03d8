"""A plugin: copies between its standard input and output and a port.

    python relay.py PORT [STATUS]

When the server closes it says so on standard error and ends with STATUS.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys


def main() -> int:
    """Copy until either side ends."""
    server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is server:
                    data = server.recv(65536)
                    if not data:
                        print("relay: remote host closed the pipe", file=sys.stderr)
                        return int(sys.argv[2]) if len(sys.argv) > 2 else 0
                    os.write(1, data)
                else:
                    data = os.read(0, 65536)
                    if not data:
                        return 0
                    server.sendall(data)


if __name__ == "__main__":
    sys.exit(main())
