"""A user before a browser, without the browser: follows redirects and fills in forms."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from email.message import Message
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    Request,
    build_opener,
)


class _Form(HTMLParser):
    """The one form of a page: where it goes, its fields, and the buttons that add to them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found = False
        self.action = ""
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found = True
            self.action = given.get("action", "")
        elif tag == "input" and "name" in given:
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "button" and "name" in given:
            self.buttons.append((given["name"], given.get("value", "")))


MOST_PAGES = 9
"""More than any issuer shows before a user has signed in."""


@dataclass(frozen=True)
class Page:
    """A page that was shown; ``status`` is 0 where a redirect led to a URL that was not asked."""

    url: str
    status: int = 0
    text: str = field(default="", repr=False)

    @property
    def form(self) -> _Form | None:
        """The form on the page, if there is one."""
        form = _Form(self.text)
        return form if form.found else None


class _Left(Exception):
    """A redirect leads away from TLS, to a program on this machine."""


class _Redirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        if newurl.startswith("http:"):
            raise _Left(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


class WebUser:
    """Opens pages over TLS and keeps cookies. A redirect to plain HTTP is not followed."""

    def __init__(self, authority: Path) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        self._opener = build_opener(
            HTTPSHandler(context=context), HTTPCookieProcessor(), _Redirects()
        )

    def open(self, url: str, fields: dict[str, str] | None = None) -> Page:
        """Return the page at a URL; with ``fields``, send them as a form."""
        data = None if fields is None else urlencode(fields).encode()
        request = Request(url, data, {"Accept": "text/html"})
        try:
            with self._opener.open(request, timeout=15) as answer:
                return self._page(answer)
        except HTTPError as error:
            with error:
                return self._page(error)
        except _Left as left:
            return Page(str(left))

    def _page(self, answer: Any) -> Page:
        return Page(answer.url, answer.status, answer.read().decode())

    def submit(self, page: Page, button: tuple[str, str] | None = None, **fields: str) -> Page:
        """Fill in the page's form and press a button, or the only one."""
        form = page.form
        assert form, page.text
        assert button is None or button in form.buttons, form.buttons
        chosen = dict([button]) if button else {}
        return self.open(urljoin(page.url, form.action), {**form.fields, **fields, **chosen})

    def sign_in(self, url: str, user: str, password: str, *, decision: str = "allow") -> Page:
        """Go through an issuer's pages from a URL to the end, and return the last page.

        A page with another status than 200 is the end too, such as that for a wrong password.
        """
        page = self.open(url)
        for _ in range(MOST_PAGES):
            form = page.form if page.status == 200 else None
            if form is None:
                break
            if "login" in form.fields:
                page = self.submit(page, login=user, password=password)
            elif form.buttons and form.buttons[0][0] == "decision":
                page = self.submit(page, ("decision", decision))
            else:
                page = self.submit(page)
        return page
