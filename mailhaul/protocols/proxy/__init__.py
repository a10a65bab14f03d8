"""Proxies between this host and a server: SOCKS5 and HTTP CONNECT, bytes in and bytes out."""
