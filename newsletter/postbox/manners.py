"""How a postbox carries out a move of its script on a connection."""

import asyncio
import socket
import struct
from typing import Final

from newsletter.postbox.script import Act, Also, Drip, Half, Move, Pause, Say

_LINGER_NOT: Final = struct.pack("ii", 1, 0)


def tear(connection: socket.socket) -> None:
    """Let the end of a connection be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


async def receive(move: Move | None, connection: socket.socket) -> bool:
    """Make a move towards somebody at the door; whether a conversation follows."""
    loop = asyncio.get_running_loop()
    if isinstance(move, Pause):
        await asyncio.sleep(move.seconds)
    elif isinstance(move, Say | Also):
        await loop.sock_sendall(connection, f"{move.text}\r\n".encode())
    elif isinstance(move, Half):
        await loop.sock_sendall(connection, move.text.encode())
    elif move is Act.RESET:
        tear(connection)
    elif move is Act.HANG:
        await asyncio.Event().wait()
    return not isinstance(move, Say | Half) and move not in {Act.CLOSE, Act.RESET}


async def end(move: Move, transport: asyncio.Transport) -> None:
    """Make a move after which nothing follows."""
    if isinstance(move, Half):
        transport.write(move.text.encode())
    elif move is Act.RESET:
        tear(transport.get_extra_info("socket"))
        transport.abort()
    elif move is Act.HANG:
        transport.pause_reading()
        await asyncio.Event().wait()
    transport.close()


class Mouth:
    """What says the replies of a conversation, in the manner that the next one is to have."""

    def __init__(self) -> None:
        self.manner: Move | None = None
        self.last = b""
        self._held = b""

    async def say(self, reply: bytes, writer: asyncio.StreamWriter) -> None:
        """Say one line; the manner is that of the last line of a reply."""
        self.last = reply
        said = self._held + reply + b"\r\n"
        self._held = b""
        manner = self.manner
        if reply[3:4] != b"-":
            self.manner = None
            if manner is Act.LATER:
                self._held = said
                return
            if isinstance(manner, Also):
                said += manner.text.encode() + b"\r\n"
            if isinstance(manner, Drip):
                await _drip(said, manner.seconds, writer)
                return
        writer.write(said)
        await writer.drain()


async def _drip(said: bytes, seconds: float, writer: asyncio.StreamWriter) -> None:
    for octet in said:
        await asyncio.sleep(seconds)
        writer.write(bytes([octet]))
        await writer.drain()
