"""In-memory servers, written as flows, for the demo and for tests.

They use the server machines and await requests like every flow, so any runtime can run them,
including the simulated one.
"""
