"""Autoconfig: the XML in which a provider says where its mail is (draft-ietf-mailmaint-autoconfig).

Only addresses with TLS are asked, so that the answer is the domain's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit

from ...flows.host_names import BadHostName, ascii_host
from ...protocols.errors import LocalProtocolError
from ...protocols.http import HttpRequest
from ..http.client import HttpFailed, HttpOptions, fetch
from .places import IMAP, POP3, Place, split_address

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SECONDS: Final = 10.0
"""Seconds that a server may be silent: it is one of several places to ask."""
MAX_OCTETS: Final = 256 * 1024
MAX_PLACES: Final = 24
"""Servers of one document; a connection is tried to each, if need be."""
MAX_REDIRECTS: Final = 3
SOCKET_TYPES: Final = {"SSL": True, "STARTTLS": False}
"""Values of ``socketType`` with TLS. A password is not sent without."""
OAUTH: Final = "OAuth2"


def addresses_to_ask(address: str) -> Sequence[str]:
    """Return the addresses for a mail address, in the order in which they are asked."""
    _, domain = split_address(address)
    try:
        host = ascii_host(domain)
    except BadHostName:
        return ()
    query = f"emailaddress={quote(address, safe='@')}"
    return (
        f"https://autoconfig.{host}/mail/config-v1.1.xml?{query}",
        f"https://{host}/.well-known/autoconfig/mail/config-v1.1.xml?{query}",
    )


async def ask_autoconfig(
    urls: Sequence[str], address: str, options: HttpOptions | None = None
) -> list[Place]:
    """Return the places in the first answer that has any, or none.

    This is a flow. Raises PollFailed (IOERR) if h11 is not installed.
    """
    options = options or HttpOptions(timeout=SECONDS, max_body=MAX_OCTETS)
    for url in urls:
        try:
            body = await _get(url, options)
        except (HttpFailed, LocalProtocolError):
            continue
        if places := read_autoconfig(body, address, urlsplit(url).hostname or ""):
            return places
    return []


async def _get(url: str, options: HttpOptions) -> bytes:
    """Return the body of an answer with status 200, else b"". Redirects are followed to https."""
    for _ in range(MAX_REDIRECTS + 1):
        response = await fetch(HttpRequest("GET", url), options)
        if response.status == 200:
            return response.body
        location = response.field("location")
        if response.status not in {301, 302, 303, 307, 308} or not location:
            break
        url = urljoin(url, location)
        if not url.startswith("https://"):
            break
    return b""


def read_autoconfig(document: bytes, address: str, host: str) -> list[Place]:
    """Return the servers with TLS in a document, in its order; ``host`` is where it came from.

    A document that is not valid has none.
    """
    from xml.etree.ElementTree import ParseError, fromstring

    try:
        text = document.decode()
        # Entities could be made to expand without end; this format has none.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            return []
        root = fromstring(text)  # noqa: S314  # no entities: see above
    except (ParseError, ValueError):
        return []
    places: list[Place] = []
    for server in root.iterfind("./emailProvider/incomingServer"):
        if (place := _place_in(server, address, host)) and place not in places:
            places.append(place)
        if len(places) == MAX_PLACES:
            break
    return places


def _place_in(server: Element, address: str, host: str) -> Place | None:
    """Return the place in one element, or None if it cannot be used."""
    kind = server.get("type", "")
    values = {name: _text(server, name, address) for name in ("hostname", "port", "username")}
    wrapped = SOCKET_TYPES.get(_text(server, "socketType", address))
    port = values["port"]
    usable = port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536
    name = values["hostname"]
    if not values["username"].isprintable():
        return None
    if kind not in {IMAP, POP3} or wrapped is None or not usable or not name.isprintable():
        return None
    if not name or " " in name:
        return None
    methods = [(method.text or "").strip() for method in server.iterfind("authentication")]
    only_tokens = bool(methods) and set(methods) == {OAUTH}
    return Place(
        kind,
        name,
        int(port),
        wrapped,
        values["username"] or address,
        f"from {host}",
        wants_token=only_tokens,
    )


def _text(server: Element, name: str, address: str) -> str:
    """Return the text of a child, with the parts of the address in place of their names."""
    local, domain = split_address(address)
    text = (server.findtext(name) or "").strip()
    for placeholder, value in (
        ("%EMAILADDRESS%", address),
        ("%EMAILLOCALPART%", local),
        ("%EMAILDOMAIN%", domain),
    ):
        text = text.replace(placeholder, value)
    return text
