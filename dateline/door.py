"""The door of the server: the socket that it listens at, and what every connection inherits."""

import socket
from typing import Final

__all__ = ["listening", "url_of"]

# A reader that is gone without a word is noticed, and what waits to be sent to a slow one waits
# with us, where it is counted, and not in the kernel.
SEND_BUFFER = 64 * 1024  # bytes of one connection in the kernel
UNHEARD_MS = 30_000  # that what was sent may wait for its acknowledgement
_DOOR: Final = (
    (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 18), UNHEARD_MS),
)


def listening(host: str, port: int) -> socket.socket:
    """Open the door: a listening socket.

    Args:
        host: the address to listen at.
        port: 0 for any that is free.

    Raises:
        OSError: nothing can listen there.
    """
    # Not left to uvicorn, which ends the process where the address is taken.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        for level, option, value in _DOOR:
            door.setsockopt(level, option, value)
        door.bind((host, port))
        door.listen(2048)
    except OSError as error:
        door.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from None
    return door


def url_of(door: socket.socket) -> str:
    """Give the URL that a door is reached by."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
