"""The benchmark measures what it says, and the exact counts of a message stay within bounds."""
