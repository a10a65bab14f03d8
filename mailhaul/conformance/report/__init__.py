"""The reports of a run: for a terminal, as TAP, JUnit XML and JSON, and several runs as a page.

Every module here turns a run (run.py) into text, and leaves it to the program to write that.
"""
