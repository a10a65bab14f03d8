"""From an address to a session that may be used: connection, greeting, TLS, login."""
