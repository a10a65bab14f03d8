"""Runs the conformance suites against real servers on loopback; ``make matrix`` starts it."""
