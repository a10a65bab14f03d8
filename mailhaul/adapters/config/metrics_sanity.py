"""The address at which a daemon serves metrics: read it, and check that it is not open to all."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address

from ...protocols.record import Record
from .errors import ConfigError, quoted
from .settings import GlobalSettings

DEFAULT_HOST = "127.0.0.1"
HINT = 'write an address of this host and a port, such as "127.0.0.1:9100"'


class ListenAddress(Record):
    """Where to listen: an IP address, or "localhost", and a port (0 for any free one)."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this host can connect."""
        return self.host == "localhost" or ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> ListenAddress:
    """Return the address for ``HOST:PORT``, ``[IPV6]:PORT`` or ``PORT``. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host = DEFAULT_HOST
    elif host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address needs brackets")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise ValueError("there is no port from 0 to 65535")
    host = host.lower()
    if host != "localhost":
        try:
            ip_address(host)
        except ValueError:
            raise ValueError("the host is neither an IP address nor localhost") from None
    return ListenAddress(host, int(port))


def metrics_faults(settings: GlobalSettings) -> Iterator[ConfigError]:
    """Yield what is wrong with the option ``metrics``."""
    if settings.metrics is None:
        return
    place = settings.place("metrics")
    try:
        address = read_address(settings.metrics)
    except ValueError as error:
        yield ConfigError(place, f"metrics {quoted(settings.metrics)}: {error}", hint=HINT)
        return
    if not (address.is_loopback or settings.metricsanywhere):
        problem = f"metrics {quoted(settings.metrics)}: other hosts could read them"
        hint = 'use 127.0.0.1 or ::1, or add "set metricsanywhere"'
        yield ConfigError(place, problem, hint=hint)
    if find_spec("h11") is None:
        problem = '"metrics" needs h11'
        yield ConfigError(place, problem, hint='install it with "pip install mailhaul[metrics]"')
