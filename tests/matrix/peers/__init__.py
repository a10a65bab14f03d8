"""The servers and clients under test. Each peer starts what it needs, and yields its trials."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager

from ..trials import Trial
from . import (
    clients,
    courier,
    cyrus,
    dovecot,
    exim,
    mailutils,
    node,
    opensmtpd,
    ours,
    popa3d,
    postfix,
    python_smtp,
    sendmail,
)
from .place import Place

Peer = Callable[[Place], AbstractContextManager[list[Trial]]]
Trials = Generator[list[Trial]]

PEERS: Mapping[str, Peer] = {
    "dovecot": dovecot.dovecot,
    "mailutils": mailutils.mailutils,
    "exim": exim.exim,
    "postfix": postfix.postfix,
    "opensmtpd": opensmtpd.opensmtpd,
    "aiosmtpd": python_smtp.aiosmtpd,
    "smtp-server": node.smtp_server,
    "hoodiecrow": node.hoodiecrow,
    "popa3d": popa3d.popa3d,
    "cyrus": cyrus.cyrus,
    "sendmail": sendmail.sendmail,
    "courier": courier.courier,
    "mailhaul": ours.mailhaul,
    "client": clients.clients,
}
"""By the word by which ``python -m tests.matrix WORD ...`` chooses them."""
