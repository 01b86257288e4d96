"""HTTP/1.1 as bytes: a client that keeps every byte, and a recorder to put between two programs.

No HTTP library stands between the test and the wire here, so that "the same bytes" means just that.
"""

import json
import socket
import threading
from dataclasses import dataclass, field

READ_BYTES = 65_536
WAIT_SECONDS = 60


@dataclass
class Message:
    """A request or a response: start line, headers as they came, and the body with its transfer encoding undone."""

    start: str
    headers: list
    body: bytes
    complete: bool
    chunks: list = field(default_factory=list)

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self):
        return json.loads(self.body)

    def events(self):
        """The events of a stream, each with its final blank line, byte for byte."""
        return [event + b"\n\n" for event in self.body.split(b"\n\n") if event]


@dataclass
class Exchange:
    request: Message
    response: Message


def ask(url, path, body=None, headers=(), method=None):
    """One request on one connection of its own; every byte of the answer, parsed."""
    host, port = url.removeprefix("http://").split(":")
    payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    method = method or ("POST" if body is not None else "GET")
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}:{port}", "connection: close"]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)
        raw = bytearray()
        while part := connection.recv(READ_BYTES):
            raw += part
    message, rest = read_message(bytes(raw), ended=True)
    assert not rest, f"{len(rest)} bytes after the end of the answer: {rest[:200]!r}"
    return message


def read_message(raw, ended, bodiless=False):
    """The first message in `raw`, and what follows it. `(None, raw)` while its head is not there yet."""
    head, separator, rest = raw.partition(b"\r\n\r\n")
    if not separator:
        return None, raw
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
    message = Message(start, headers, b"", complete=False)
    if bodiless or (not start.startswith("HTTP/") and not has_body(message)):
        message.complete = True
        return message, rest
    if "chunked" in (message.header("transfer-encoding") or ""):
        return read_chunks(message, rest)
    length = message.header("content-length")
    size = int(length) if length is not None else len(rest)
    message.body = rest[:size]
    message.complete = len(message.body) == size and (length is not None or ended)
    return message, rest[size:]


def has_body(request):
    return request.header("content-length") is not None or request.header("transfer-encoding") is not None


def read_chunks(message, rest):
    while True:
        line, separator, after = rest.partition(b"\r\n")
        if not separator:
            break
        size = int(line.split(b";")[0], 16)
        if len(after) < size + 2:
            message.chunks.append(after[:size])
            rest = b""
            break
        rest = after[size + 2 :]
        if size == 0:
            message.complete = True
            break
        message.chunks.append(after[:size])
    message.body = b"".join(message.chunks)
    return message, rest


class Recorder:
    """Stands between weir and a host, passes every byte on, and keeps them all.

    A connection that one side ends is ended on the other in the same way, so that it hides no failure.
    """

    def __init__(self, host_port):
        self.host_port = host_port
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def exchanges(self):
        """Every exchange so far whose answer has begun, in the order of connections."""
        return [exchange for connection in self.connections for exchange in connection.exchanges()]

    def exchange(self, request_id):
        """The one exchange whose request bore this `x-request-id`."""
        found = [e for e in self.exchanges() if e.request.header("x-request-id") == request_id]
        assert len(found) == 1, f"{len(found)} recorded exchanges have the id {request_id}"
        return found[0]

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                host = socket.create_connection(("127.0.0.1", self.host_port))
            except OSError:
                reset(client)
                continue
            self.connections.append(RecordedConnection(client, host))


class RecordedConnection:
    def __init__(self, client, host):
        self.client, self.host = client, host
        self.sent, self.received = bytearray(), bytearray()
        for one in (client, host):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pass, args=(client, host, self.sent), daemon=True).start()
        threading.Thread(target=self._pass, args=(host, client, self.received), daemon=True).start()

    def exchanges(self):
        sent, received = bytes(self.sent), bytes(self.received)
        found = []
        while sent:
            request, sent = read_message(sent, ended=False)
            bodiless = request is not None and request.start.startswith("HEAD ")
            response, received = read_message(received, ended=False, bodiless=bodiless)
            if request is None or response is None:
                break
            found.append(Exchange(request, response))
        return found

    def close(self):
        for one in (self.client, self.host):
            reset(one)

    def _pass(self, source, sink, record):
        try:
            while part := source.recv(READ_BYTES):
                record += part
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            reset(source)
            reset(sink)


def reset(connection):
    """Ends a connection with a TCP reset, as a killed process would."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        # shutdown first: a thread that waits in recv() keeps the socket open through close()
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
