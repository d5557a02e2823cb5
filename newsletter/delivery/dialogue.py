"""Commands said on a line and whole replies read from it, each within its time; and how far the talk has come."""

import asyncio

from newsletter.delivery import replies
from newsletter.delivery.line import Line
from newsletter.delivery.outcome import Phase, Reply


class Dialogue:
    """The conversation with one relay over one line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.phase = Phase.CONNECT
        self._loop = asyncio.get_running_loop()

    async def ask(self, command: bytes, seconds: float) -> Reply:
        """Say a command and read the reply to it."""
        self.line.write(command)
        return replies.parse(await self.hear(seconds))

    async def hear(self, seconds: float) -> list[bytes]:
        """The lines of one reply, all within so many seconds. A line that is none raises ValueError."""
        until = self._loop.time() + seconds
        lines = [await self.line.read(until)]
        while not replies.is_last(lines[-1]):
            if len(lines) == replies.MOST_LINES:
                raise ConnectionAbortedError(f"a reply of more than {replies.MOST_LINES} lines")
            lines.append(await self.line.read(until))
        return lines
