"""What the programs share: the poll of one account, and the lines that they print."""
