"""The command line: polls accounts one after the other on the blocking runtime."""
