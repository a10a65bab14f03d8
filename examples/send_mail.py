"""Send a message by SMTP: STARTTLS, AUTH PLAIN, and MAIL, RCPT and DATA in one step.

    python examples/send_mail.py HOST PORT USER SENDER RECIPIENT... < message

The password comes from the environment (PASSWORD) or is asked for.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from getpass import getpass

from mailhaul import sasl, smtp

NAME = b"client.example.org"
"""The name that we introduce ourselves by: a real client gives its own host name or address."""


def next_event(client: smtp.Client, connection: socket.socket) -> smtp.Event:
    """Return the next event; write what is due and read more until there is one."""
    while isinstance(event := client.next_event(), smtp.NeedData):
        for piece in client.data_to_send():
            connection.sendall(piece)
        if data := connection.recv(65536):
            client.receive_data(data)
        else:
            client.receive_eof()
    return event


def answer(client: smtp.Client, connection: socket.socket, *expected: int) -> smtp.Answered:
    """Return the reply to the oldest command, if its code is one of those expected."""
    match next_event(client, connection):
        case smtp.Answered(_, reply) as answered if reply.code in expected:
            return answered
        case event:
            sys.exit(f"the server said {event!r}")


def start_tls(client: smtp.Client, plain: socket.socket, host: str) -> ssl.SSLSocket:
    """Ask for TLS and shake hands; without it no password is sent."""
    client.send(smtp.StartTls())
    event = next_event(client, plain)
    if not isinstance(event, smtp.TlsReady):
        sys.exit(f"no TLS: {event!r}")
    connection = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    # The machine forgets what the server announced in clear: EHLO comes again.
    client.tls_started()
    return connection


def log_in(client: smtp.Client, connection: socket.socket, user: str, password: str) -> None:
    """Say AUTH PLAIN. ``sasl.choose`` would find the best mechanism that the server announced."""
    account = sasl.Credentials(user.encode(), sasl.Secret(password.encode()))
    mechanism = sasl.make_client(b"PLAIN", account, nonce=b"")
    client.send(smtp.Authenticate(mechanism.name, mechanism.initial_response()))
    answer(client, connection, 235)


def send(
    client: smtp.Client, connection: socket.socket, sender: str, recipients: list[str]
) -> None:
    """Send what comes on standard input. One refused recipient, and nobody gets the message."""
    commands: list[smtp.Command] = [smtp.Mail(sender.encode())]
    commands += [smtp.Rcpt(each.encode()) for each in recipients]
    ahead = b"PIPELINING" in client.capabilities
    for command in (*commands, smtp.Data()):
        client.send(command)
        if not ahead:
            answer(client, connection, 250, 251, 354)
    while client.outstanding:
        answer(client, connection, 250, 251, 354)
    while chunk := sys.stdin.buffer.read(65536):
        # The machine doubles dots and makes line ends CRLF.
        client.send(smtp.BodyChunk(chunk))
        connection.sendall(b"".join(client.data_to_send()))
    client.send(smtp.EndOfData())
    # Only ``accepts`` says that the server has taken over the message.
    if answer(client, connection, 250).accepts:
        print("accepted")


def main(host: str, port: str, user: str, sender: str, *recipients: str) -> None:
    """Greet, encrypt, log in, send, say good-bye."""
    password = os.environ.get("PASSWORD") or getpass()
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        client = smtp.Client()
        if not isinstance(greeting := next_event(client, plain), smtp.Greeted):
            sys.exit(f"no greeting: {greeting!r}")
        client.send(smtp.Ehlo(NAME))
        answer(client, plain, 250)
        with start_tls(client, plain, host) as connection:
            client.send(smtp.Ehlo(NAME))
            answer(client, connection, 250)
            log_in(client, connection, user, password)
            send(client, connection, sender, list(recipients))
            client.send(smtp.Quit())
            answer(client, connection, 221)


if __name__ == "__main__":
    main(*sys.argv[1:])
