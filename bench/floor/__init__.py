"""The least that each scenario can take: bare programs that keep no ledger and read no header."""
