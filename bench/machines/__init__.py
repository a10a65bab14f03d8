"""What the protocol machines cost, in figures: ``make bench-machines``; docs/speed.md explains."""
