"""One module per real program: its configuration, how it starts, and what a test can ask of it."""
