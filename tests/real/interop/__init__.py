"""The client machines talk to real servers, one command at a time, without flows or runtimes."""
