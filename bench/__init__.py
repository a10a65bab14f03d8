"""What the protocol machines cost, in figures: ``make bench``. docs/speed.md explains them."""
