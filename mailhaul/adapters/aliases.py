"""Whether a host is another name of the mail server: ``dns`` and ``checkalias``."""

from __future__ import annotations

import socket

from ..flows.multidrop import IsServer, LookUpFailed

UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def alias_test(truename: str, *, same_address: bool) -> IsServer:
    """Return a function that checks whether a host has the server's canonical name.

    With ``same_address`` a host that shares an address with the server counts as well. MX records
    are not looked up.
    """
    wanted = truename.lower().removesuffix(".")

    def is_server(host: bytes) -> bool:
        name, found = look_up(host.decode("ascii"))
        if name == wanted:
            return True
        return same_address and bool(found & look_up(truename)[1])

    return is_server


def look_up(host: str) -> tuple[str, set[str]]:
    """Return a host's canonical name, in lower case, and its addresses; "" if it has none.

    Raises LookUpFailed if the name service does not answer.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except socket.gaierror as error:
        if error.errno in UNKNOWN:
            return "", set()
        raise LookUpFailed(f"cannot find out whether {host} is the mail server: {error}") from None
    except UnicodeError:
        return "", set()
    names = [canonical for *_, canonical, _ in found if canonical]
    canonical = names[0].lower().removesuffix(".") if names else ""
    return canonical, {str(address[0]) for *_, address in found}
