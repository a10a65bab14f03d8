"""The daemon, and runs over several accounts: all of them side by side, under trio."""
