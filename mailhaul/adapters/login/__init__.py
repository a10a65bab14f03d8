"""Open a session with a server: connection, greeting, TLS and login."""
