"""What a server and the sinks of an account announce, as text."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence

from ....adapters.login.access import TlsMode
from ....adapters.login.reach import tls_mode
from ....adapters.sinks.kinds import LISTENERS, chosen_sink
from ...polls.accounts import user_at_server
from ...polls.lines import escape
from ..checks.sinks import check_sink
from ..screen import Screen, counted, size_in_words
from .certificates import Certificate, certificate_of
from .document import Explained, folder_facts
from .features import Feature, features_of, listener_features
from .session import Session, place_of

LABEL = 12
"""Columns of the labels on the left."""
FEW_DAYS, SOME_DAYS = 7, 30
"""Days before the end of a certificate from which it is urgent, and worth a look."""
TLS_WORDS = {
    TlsMode.WRAPPED: "from the first byte",
    TlsMode.REQUIRED: "by STARTTLS",
    TlsMode.OFFERED: "by STARTTLS",
    TlsMode.NEVER: "not used",
}
DIM: Mapping[bool, tuple[str, ...]] = {True: (), False: ("dim",)}
UNITS = {b"STORAGE": 1024}
"""Octets in one unit of a resource (RFC 9208, 5.1)."""


def text_of(explained: Explained, screen: Screen) -> list[str]:
    """Return the lines about an account."""
    session = explained.session
    settings = session.settings
    title = screen.paint(escape(user_at_server(settings)), "bold")
    lines = ["", f"{title} ({settings.protocol.upper()})"]
    lines += screen.facts(server_facts(session), label=LABEL)
    lines += tls_lines(session, screen)
    lines += login_lines(session, screen)
    recorder = session.recorder
    if recorder.before or recorder.after:
        lines += ["", heading("Announced", screen), *capability_lines(session, screen)]
        lines += ["", *feature_lines(features_of(session), screen)]
    lines += folder_lines(session, screen)
    lines += [f"  {line}" for remark in session.remarks for line in screen.wrap(remark, 0)]
    return [*lines, *sink_lines(explained, screen)]


def heading(text: str, screen: Screen) -> str:
    """Return the title of a part."""
    return screen.paint(text, "bold")


def server_facts(session: Session) -> Iterator[tuple[str, str]]:
    """Yield where the server is, and its greeting."""
    if session.access:
        address = f" ({session.address})" if session.address else ""
        yield "Server", f"{place_of(session.access.address)}{address}"
    if session.recorder.greeting:
        yield "Greeting", session.recorder.greeting


def tls_lines(session: Session, screen: Screen) -> list[str]:
    """Return what is known of TLS and the certificate."""
    facts = session.tls
    if facts is None:
        by_plugin = session.settings.plugin is not None
        why = "the plugin makes the connection" if by_plugin else "the connection is not encrypted"
        found = [("TLS", f"none: {why}")] if session.access and session.recorder.greeting else []
        return screen.facts(found, label=LABEL)
    how = TLS_WORDS[tls_mode(session.settings)]
    pairs = [("TLS", f"{facts.version}, {facts.cipher} ({facts.bits} bits), {how}")]
    lines = screen.facts(pairs, label=LABEL)
    certificate = certificate_of(facts)
    if certificate is None:
        return lines
    checked = "verified" if facts.verified else "not verified"
    pairs = [("Certificate", f"{certificate.subject or 'of unknown subject'}, {checked}")]
    if certificate.issuer:
        pairs.append(("  issuer", certificate.issuer))
    if certificate.names:
        pairs.append(("  names", ", ".join(certificate.names)))
    shown = screen.facts(pairs, label=LABEL)
    if not facts.verified:
        shown[0] = shown[0].replace("not verified", screen.paint("not verified", "yellow"))
    lines += shown
    if certificate.expires is not None:
        lines.append(expiry_line(certificate, screen))
    return [*lines, *fingerprint_lines(certificate, screen)]


def expiry_of(certificate: Certificate) -> str:
    """Return when a certificate expires, in words."""
    day = time.strftime("%Y-%m-%d", time.gmtime(certificate.expires))
    left = certificate.days_left or 0
    if left < 0:
        return f"{day}, {counted(-left, 'day')} ago"
    return f"{day}, {counted(left, 'day')} left"


def expiry_line(certificate: Certificate, screen: Screen) -> str:
    """Return the line about the expiry, in a colour that tells how urgent it is."""
    left = certificate.days_left or 0
    style = "red" if left < FEW_DAYS else "yellow" if left < SOME_DAYS else "green"
    label = screen.paint("  expires".ljust(LABEL), "dim")
    return f"  {label}  {screen.paint(expiry_of(certificate), style)}"


def fingerprint_lines(certificate: Certificate, screen: Screen) -> list[str]:
    """Return the fingerprint, in two lines of equal length."""
    half = len(certificate.fingerprint) // 2 + 1
    first, second = certificate.fingerprint[:half], certificate.fingerprint[half:]
    indent = " " * (2 + LABEL + 2)
    label = screen.paint("  SHA-256".ljust(LABEL), "dim")
    return [f"  {label}  {screen.paint(first, 'dim')}", indent + screen.paint(second, "dim")]


def login_lines(session: Session, screen: Screen) -> list[str]:
    """Return how the login went."""
    recorder, settings = session.recorder, session.settings
    pairs: list[tuple[str, str]] = []
    if recorder.login:
        result = "accepted" if recorder.accepted else "refused"
        pairs.append(("Login", f"{result} for {settings.remote_user}, by {recorder.login}"))
    lines = screen.facts(pairs, label=LABEL)
    if session.failure:
        lines += error_lines(str(session.failure), screen)
    return lines


def error_lines(text: str, screen: Screen) -> list[str]:
    """Return an error, with a label that is seen at once."""
    label = "error".ljust(LABEL)
    first, *rest = screen.facts([("error", text)], label=LABEL)
    return [first.replace(screen.paint(label, "dim"), screen.paint(label, "red", "bold"), 1), *rest]


def capability_lines(session: Session, screen: Screen) -> list[str]:
    """Return the capabilities before and after the login."""
    recorder = session.recorder
    pairs = [("before login", joined(recorder.before, session))]
    if recorder.after and recorder.after != recorder.before:
        pairs.append(("after login", joined(recorder.after, session)))
    elif recorder.after:
        pairs.append(("after login", "the same"))
    return screen.facts([pair for pair in pairs if pair[1]], label=LABEL)


def joined(names: Sequence[str], session: Session) -> str:
    """Return capabilities as one text. Those of POP3 have arguments."""
    return (" " if session.settings.kind.family == "imap" else ", ").join(names)


def feature_lines(features: Sequence[Feature], screen: Screen) -> list[str]:
    """Return a table of what is used, and why or why not."""
    width = max((len(one.name) for one in features), default=0)
    gap = "  "
    start = 2 + width + len(gap) + len("offered") + len(gap) + len("used") + len(gap)
    head = f"  {'Feature'.ljust(width)}{gap}offered{gap}used{gap}why"
    lines = [screen.paint(head, "dim")]
    for one in features:
        offered = screen.paint("yes    " if one.offered else "no     ", *DIM[one.offered])
        used = screen.paint("yes " if one.used else "no  ", "green" if one.used else "dim")
        first, *rest = textwrap.wrap(escape(one.why), screen.columns - start) or [""]
        lines.append(f"  {one.name.ljust(width)}{gap}{offered}{gap}{used}{gap}{first}")
        lines += [" " * start + line for line in rest]
    return lines


def folder_lines(session: Session, screen: Screen) -> list[str]:
    """Return the folders with their counts, and which of them a poll visits."""
    if session.total is not None and session.failure is None:
        size = f", {size_in_words(session.octets)}" if session.octets is not None else ""
        text = f"{counted(session.total, 'message')}{size}"
        return ["", *screen.facts([("Maildrop", text)], label=LABEL)]
    folders = session.recorder.folders
    if not folders:
        return []
    rows: list[tuple[str, ...]] = [("", "Folder", "Messages", "Unseen")]
    styles: list[Sequence[str]] = [("dim",) * 4]
    for one in folder_facts(session):
        numbers = [one["messages"], one["unseen"]]
        cells = ["" if number is None else f"{number:,}" for number in numbers]
        fetched = bool(one["fetched"])
        rows.append(("*" if fetched else "", str(one["name"]), *cells))
        style = "" if one["selectable"] else "dim"
        styles.append(("green", "green" if fetched else style, "", ""))
    widths = [max(len(row[place]) for row in rows) for place in (2, 3)]
    room = screen.columns - 2 - 1 - 6 - sum(widths)
    rows = [(a, screen.fit(escape(b), room), c, d) for a, b, c, d in rows]
    lines = ["", *screen.table(rows, right=(2, 3), styles=styles)]
    quota = ", ".join(quota_words(session))
    more = [("Quota", quota)] if quota else []
    note = f"* fetched from: {', '.join(session.settings.folders)}"
    return [
        *lines,
        *(screen.paint(line, "dim") for line in screen.wrap(note, 2, 4)),
        *screen.facts(more, label=LABEL),
    ]


def quota_words(session: Session) -> Iterator[str]:
    """Yield each quota in words."""
    for quota in session.recorder.quotas:
        for name, usage, limit in quota.resources:
            share = f" ({100 * usage // limit} %)" if limit else ""
            if unit := UNITS.get(name):
                yield f"{size_in_words(usage * unit)} of {size_in_words(limit * unit)}{share}"
            else:
                yield f"{name.decode('ascii', 'replace')} {usage:,} of {limit:,}{share}"


def sink_lines(explained: Explained, screen: Screen) -> list[str]:
    """Return where the mail goes, and what a listener announces."""
    settings = explained.session.settings
    kind = chosen_sink(settings)
    lines = ["", heading("Delivery", screen)]
    if kind not in LISTENERS:
        pairs = [
            (one.subject, f"{one.cause}; {one.next_step}" if one.next_step else one.cause)
            for one in check_sink(settings)
        ]
        return [*lines, *screen.facts(pairs, label=LABEL)]
    for one in explained.listeners:
        lines += screen.facts([("Listener", f"{kind.title} {one.listener.name}")], label=LABEL)
        if one.problem:
            lines += error_lines(one.problem.removeprefix(f"{one.listener.name}: "), screen)
        else:
            words = " ".join(one.extensions) or "nothing: it does not know EHLO"
            lines += screen.facts([("announced", words)], label=LABEL)
            lines += ["", *feature_lines(listener_features(one, settings), screen)]
    return lines
