"""What a server and the sinks of an account announce, as a JSON document."""

from __future__ import annotations

import time
from collections.abc import Mapping

from .... import imap
from ....adapters.sinks.kinds import chosen_sink, sink_value
from ....flows.outcome import ExitCode
from ....protocols.record import Record
from ...polls.accounts import user_at_server
from ..json_schema import (
    COUNT,
    COUNT_OR_NULL,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    YES_OR_NO,
    list_of,
    of_fields,
    or_null,
    whole,
)
from .certificates import certificate_of
from .features import Feature, features_of, listener_features
from .session import Listening, Session, can_be_opened, place_of

DOCUMENT, VERSION = "mailhaul-explain", 1
"""The name and the version of the JSON document."""


class Explained(Record):
    """All that was found out about an account."""

    session: Session
    listeners: tuple[Listening, ...]

    @property
    def code(self) -> ExitCode:
        """The exit code: that of the failure at the server, or 10 if no listener can be used."""
        if self.session.failure is not None:
            return self.session.failure.code
        if self.listeners and all(one.problem for one in self.listeners):
            return ExitCode.SMTP
        return ExitCode.SUCCESS


def document(explained: Explained) -> Mapping[str, object]:
    """Return what was found out as a JSON document; see SCHEMA."""
    session = explained.session
    settings, recorder = session.settings, session.recorder
    kind = chosen_sink(settings)
    return {
        "document": DOCUMENT,
        "version": VERSION,
        "account": user_at_server(settings),
        "user": settings.remote_user,
        "protocol": settings.protocol,
        "server": place_of(session.access.address) if session.access else settings.host,
        "address": session.address or None,
        "greeting": recorder.greeting or None,
        "capabilities": {
            "before_login": list(recorder.before),
            "after_login": list(recorder.after),
        },
        "tls": tls_document(session),
        "login": {"method": recorder.login or None, "accepted": recorder.accepted},
        "features": [vars_of(one) for one in features_of(session)]
        if recorder.before or recorder.after
        else [],
        "folders": folder_facts(session),
        "maildrop": None
        if session.total is None
        else {"messages": session.total, "octets": session.octets},
        "quotas": [quota_document(one) for one in recorder.quotas],
        "remarks": list(session.remarks),
        "sink": {
            "kind": kind.title.lower(),
            "to": sink_value(kind, settings),
            "listeners": [listener_document(one, explained) for one in explained.listeners],
        },
        "error": str(session.failure) if session.failure else None,
        "exit_code": int(explained.code),
    }


def vars_of(one: Feature) -> Mapping[str, object]:
    """Return a feature as an object."""
    return {"name": one.name, "offered": one.offered, "used": one.used, "why": one.why}


def tls_document(session: Session) -> Mapping[str, object] | None:
    """Return the part about TLS; None without it."""
    facts = session.tls
    if facts is None:
        return None
    found = certificate_of(facts)
    return {
        "version": facts.version,
        "cipher": facts.cipher,
        "bits": facts.bits,
        "verified": bool(facts.verified),
        "certificate": found
        and {
            "subject": found.subject or None,
            "issuer": found.issuer or None,
            "names": list(found.names),
            "expires": found.expires
            and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.expires)),
            "days_left": found.days_left,
            "sha256": found.fingerprint,
        },
    }


def folder_facts(session: Session) -> list[dict[str, object]]:
    """Return the folders, INBOX first, with what is known of each."""
    recorder = session.recorder
    chosen = {name.upper() if name.upper() == "INBOX" else name for name in session.chosen}
    facts: list[dict[str, object]] = []
    for one in sorted(
        recorder.folders, key=lambda one: (one.mailbox.upper() != b"INBOX", one.mailbox)
    ):
        counts = recorder.counts.get(one.mailbox, {})
        name = imap.decode_mailbox(one.mailbox)
        facts.append(
            {
                "name": name,
                "attributes": [
                    attribute.decode("ascii", "replace") for attribute in one.attributes
                ],
                "selectable": can_be_opened(one),
                "fetched": (name.upper() if name.upper() == "INBOX" else name) in chosen,
                "messages": counts.get(b"MESSAGES"),
                "unseen": counts.get(b"UNSEEN"),
                "octets": counts.get(b"SIZE"),
            }
        )
    return facts


def quota_document(quota: imap.Quota) -> Mapping[str, object]:
    """Return one quota."""
    return {
        "root": quota.root.decode("utf-8", "replace"),
        "resources": [
            {"name": name.decode("ascii", "replace"), "usage": usage, "limit": limit}
            for name, usage, limit in quota.resources
        ],
    }


def listener_document(one: Listening, explained: Explained) -> Mapping[str, object]:
    """Return one listener."""
    settings = explained.session.settings
    return {
        "name": one.listener.name,
        "protocol": "lmtp" if one.listener.lmtp else "smtp",
        "extensions": list(one.extensions),
        "features": []
        if one.problem
        else [vars_of(each) for each in listener_features(one, settings)],
        "error": one.problem or None,
    }


FEATURE = of_fields({"name": TEXT, "offered": YES_OR_NO, "used": YES_OR_NO, "why": TEXT})
FOLDER = of_fields(
    {
        "name": TEXT,
        "attributes": list_of(TEXT),
        "selectable": YES_OR_NO,
        "fetched": YES_OR_NO,
        "messages": COUNT_OR_NULL,
        "unseen": COUNT_OR_NULL,
        "octets": COUNT_OR_NULL,
    }
)
CERTIFICATE = of_fields(
    {
        "subject": TEXT_OR_NULL,
        "issuer": TEXT_OR_NULL,
        "names": list_of(TEXT),
        "expires": TEXT_OR_NULL,
        "days_left": NUMBER_OR_NULL,
        "sha256": TEXT,
    }
)
TLS = of_fields(
    {
        "version": TEXT,
        "cipher": TEXT,
        "bits": COUNT,
        "verified": YES_OR_NO,
        "certificate": or_null(CERTIFICATE),
    }
)
LISTENER = of_fields(
    {
        "name": TEXT,
        "protocol": TEXT,
        "extensions": list_of(TEXT),
        "features": list_of(FEATURE),
        "error": TEXT_OR_NULL,
    }
)
RESOURCE = of_fields({"name": TEXT, "usage": COUNT, "limit": COUNT})
SCHEMA = whole(
    "mailhaul explain --json",
    DOCUMENT,
    VERSION,
    {
        "account": TEXT,
        "user": TEXT,
        "protocol": TEXT,
        "server": TEXT,
        "address": TEXT_OR_NULL,
        "greeting": TEXT_OR_NULL,
        "capabilities": of_fields({"before_login": list_of(TEXT), "after_login": list_of(TEXT)}),
        "tls": or_null(TLS),
        "login": of_fields({"method": TEXT_OR_NULL, "accepted": YES_OR_NO}),
        "features": list_of(FEATURE),
        "folders": list_of(FOLDER),
        "maildrop": or_null(of_fields({"messages": COUNT, "octets": COUNT_OR_NULL})),
        "quotas": list_of(of_fields({"root": TEXT, "resources": list_of(RESOURCE)})),
        "remarks": list_of(TEXT),
        "sink": of_fields({"kind": TEXT, "to": TEXT, "listeners": list_of(LISTENER)}),
        "error": TEXT_OR_NULL,
        "exit_code": COUNT,
    },
)
"""The schema of ``document``."""
