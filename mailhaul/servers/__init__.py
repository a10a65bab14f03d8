"""Servers as flows: the other side of the dialogue, for the demo and for tests.

They stand on the server machines and await requests like every flow, so each runtime can
run them, the simulated one too.
"""
