"""What a poll is made of: sources, sinks, configuration and the ledger.

Nothing here knows how a runtime waits: what takes time is awaited as a request or done in
a Call.
"""
