"""What a hauler does to a message: its header, its envelope, its line ends. No e-mail parser."""
