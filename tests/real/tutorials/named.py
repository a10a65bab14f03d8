"""The program mailhaul, where names of hosts lead to servers of a test, and to nothing else.

The first argument is the name that it is called by.

STAND_INS is a JSON object: ``{"imap.example.net:993": 40123}``.
"""

import json
import os
import socket
import sys
from typing import Any

PLACES: dict[str, int] = json.loads(os.environ["STAND_INS"])
look_up = socket.getaddrinfo


def getaddrinfo(host: bytes | str, port: int | str, *args: Any, **more: Any) -> Any:
    """Find the servers of the test, and nothing outside this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    number = port if isinstance(port, int) else socket.getservbyname(port)
    if place := PLACES.get(f"{name}:{number}"):
        return look_up("127.0.0.1", place, *args, **more)
    if name not in ("localhost", "127.0.0.1"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return look_up(host, port, *args, **more)


if __name__ == "__main__":
    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]  # narrower on purpose
    del sys.argv[0]
    from mailhaul.__main__ import program

    program()
