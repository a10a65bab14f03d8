"""What ``mailhaul check`` looks at: configuration, files, secrets and sinks, each in a module."""
