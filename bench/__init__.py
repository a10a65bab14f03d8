"""How fast mailhaul is: the whole program beside others, and its protocol machines alone.

``python -m bench`` runs the scenarios of scenarios.py with the tools of tools.py and writes
docs/speed.md; ``python -m bench.machines`` measures the machines.
"""
