"""The ledger in SQLite: durable records of the messages offered, accepted and seen."""
