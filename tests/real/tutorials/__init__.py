"""The tutorials and recipes of the documentation, followed as a reader would follow them."""
