"""The parts of a poll: sources, sinks, logins, configuration, transcripts and the ledger.

Nothing here depends on a runtime: work that takes time is awaited as a request or done in a Call.
"""
