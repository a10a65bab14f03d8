"""What a hauler does to a message: envelope, header, line ends. Bytes in, bytes out."""
