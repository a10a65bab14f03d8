"""mailhaul hauls mail from POP3 and IMAP servers to where it is read.

It is a program first (``mailhaul``). Its protocol machines are a library as well, and this is the
public part of it:

* ``mailhaul.imap``, ``mailhaul.pop3``, ``mailhaul.smtp`` (with LMTP): a client and a server each,
  their commands, events and errors;
* ``mailhaul.sasl``: the mechanisms for logging in;
* ``mailhaul.servers``: in-memory servers for tests;
* ``mailhaul.__version__``.

What these namespaces export is in their ``__all__``. All other modules are private, whatever their
names: they may change or go in any release. docs/core.md is the guide.
"""

__all__ = ["__version__"]
__version__ = "0.2.0"
