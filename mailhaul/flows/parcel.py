"""From a message as it arrives to what is handed on: envelope, header, line ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..protocols.message.envelope import envelope_sender, recipient_address
from ..protocols.message.header import HeaderScanner
from ..protocols.message.outgoing import HeaderRules, outgoing_header
from ..protocols.message.trace import format_date, received_field
from .sink import Parcel, Sink
