"""The subcommands of the command line, and a single run over the accounts."""
