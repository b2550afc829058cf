"""Ask a Kafka broker what it speaks, over a bare socket: no client library, no group, no metadata, one answer."""

import socket
import struct

API_VERSIONS = 18
METADATA = 3


def api_versions(host: str, port: int, timeout_seconds: float = 1.0) -> dict[int, tuple[int, int]] | None:
    """Lowest and highest version by request type; None when no broker answers in time.

    A broker accepts connections before it serves them, so the answer, not the connection, means that it is up.
    """
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            request = struct.pack(">hhih", API_VERSIONS, 0, 1, -1)  # type, version, correlation, no client id
            connection.sendall(struct.pack(">i", len(request)) + request)
            (length,) = struct.unpack(">i", _exactly(connection, 4))
            return _parse(_exactly(connection, length))
    except (OSError, struct.error, EOFError):
        return None


def _parse(body: bytes) -> dict[int, tuple[int, int]] | None:
    _correlation, error, count = struct.unpack_from(">ihi", body)
    if error != 0:
        return None
    triples = (struct.unpack_from(">hhh", body, 10 + 6 * index) for index in range(count))
    return {key: (lowest, highest) for key, lowest, highest in triples}


def _exactly(connection: socket.socket, length: int) -> bytes:
    """Exactly so many bytes; EOFError when the other side closes before, or announces nonsense."""
    if not 0 <= length <= 1 << 20:
        raise EOFError
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(length - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
