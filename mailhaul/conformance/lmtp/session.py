"""An LMTP session is an SMTP session that says LHLO and has many replies to a text (RFC 2033)."""

from __future__ import annotations

from collections.abc import Sequence

from ..smtp.environment import SmtpEnvironment
from ..smtp.messages import stuffed
from ..smtp.session import Reply, SmtpSession
from ..verdicts import Skipped


class LmtpEnvironment(SmtpEnvironment):
    """The environment of an LMTP case."""

    hello = b"LHLO"

    @property
    def failing_recipient(self) -> bytes:
        """An address that is accepted after RCPT and refused after the text. Raises Skipped."""
        if self.target.failing_recipient is None:
            raise Skipped("needs a recipient whose mail fails (--failing-recipient)")
        return self.target.failing_recipient

    async def deliver(self, session: SmtpSession, *recipients: bytes) -> list[Reply]:
        """Send a message for these recipients; return the reply for each."""
        await self.begin_data(session, *recipients)
        await session.send(stuffed(self.message()) + b".\r\n")
        return await replies_for(session, recipients)


async def replies_for(session: SmtpSession, recipients: Sequence[bytes]) -> list[Reply]:
    """Return a reply for each recipient, after the text."""
    return await session.replies(*[b"the text for " + recipient for recipient in recipients])
