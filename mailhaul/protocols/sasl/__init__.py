"""SASL: authentication, independent of the protocol that carries it (RFC 4422)."""
