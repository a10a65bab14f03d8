"""Mail goes through real programs here, each a private instance that ends with the test run."""
