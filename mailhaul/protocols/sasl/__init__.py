"""SASL: how a client proves who it is, apart from the protocol that carries it (RFC 4422)."""
