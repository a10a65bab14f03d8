"""What a poll reports about its session with the server, for those who limit the sessions."""

from __future__ import annotations


class SessionObserver:
    """Gets to know how far a session is; the methods do nothing. Override what is of interest."""

    def logged_in(self) -> None:
        """The server has accepted the login, or the connection of the last poll is still open."""

    def failed(self, error: Exception) -> None:
        """The connection or the login failed."""

    def ending(self) -> None:
        """The next thing to be sent is LOGOUT."""

    def is_repeated(self) -> bool:
        """Whether a poll that failed is repeated, so that its failure is not final."""
        return False
