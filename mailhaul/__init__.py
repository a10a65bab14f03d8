"""mailhaul hauls mail from POP3 and IMAP servers to where it is read."""

__version__ = "0.2.0"
