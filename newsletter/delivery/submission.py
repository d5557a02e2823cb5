"""Letters submitted on one connection (RFC 5321 3.3), so that a loss always says in which phase it happened.

One letter is in flight per connection. The caller is told before the end of a letter follows, and that end is a write
of its own, or the first thing in one: only a loss after the kernel took it leaves a letter in doubt. Three manners of
speaking, from what the relay offers and the settings want:

- command by command, for relays without PIPELINING: four round trips a letter;
- the three commands of the envelope in one write (RFC 2920): two round trips; with `then` the next letter's envelope
  goes out behind this one's dot, as RFC 2920 3.1 allows: one round trip;
- CHUNKING (RFC 3030): envelope and letter in one write, and BDAT 0 LAST is its dot: one round trip.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from newsletter.delivery import envelope, line, replies
from newsletter.delivery.dialogue import Dialogue
from newsletter.delivery.outcome import Lost, Phase, Replied, Reply, Submitted
from newsletter.delivery.replies import Extensions
from newsletter.relays import RelaySettings
from newsletter.rendering.letter import Letter

_QUIT_SECONDS: Final = 1.0
_TIDY_SECONDS: Final = 10.0
_ENVELOPE: Final = (Phase.MAIL, Phase.RCPT, Phase.DATA)
_LAST_CHUNK: Final = b"BDAT 0 LAST\r\n"
_T = TypeVar("_T")

BeforeEnd = Callable[[], Awaitable[None]]


class Quota:
    """How many letters a relay takes on a connection: as configured, as it says, or as it twice in a row showed."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._shown = 0

    def turned_away(self, letters: int) -> None:
        """A 421 came after so many letters were accepted."""
        if letters and letters == self._shown:
            self.most = min(self.most, letters)
        self._shown = letters


class Connection:
    """An open, greeted and authenticated connection to the relay; `Relay.connect` makes it."""

    def __init__(self, settings: RelaySettings, dialogue: Dialogue, offered: Extensions, quota: Quota) -> None:
        self._settings, self._dialogue, self._line = settings, dialogue, dialogue.line
        self._offered, self._quota = offered, quota
        self._in_chunks = offered.pipelining and offered.chunking
        self._announced: Letter | None = None
        self._end = 0
        self._accepted = 0
        self.letters = 0

    @property
    def phase(self) -> Phase:
        """How far the letter in flight has come; REPLIED when there is none."""
        return self._dialogue.phase

    def takes(self, letter: Letter) -> bool:
        """Whether this letter may be submitted here: the line is up, and either silent or waiting for this very one."""
        if not self._line.open or self.letters >= self._quota.most:
            return False
        return letter is self._announced or (self._announced is None and not self._line.unread)

    async def submit(self, letter: Letter, before_end: BeforeEnd, then: Letter | None = None) -> Submitted:
        """Hand over one letter; `then` is the one that will be submitted here next and at once, if there is one.

        `before_end` is awaited when all but the end of the letter is with the kernel; what it raises ends the
        connection with the letter certainly not sent. `Lost(phase=DOT)` alone means that nobody knows.
        """
        if self._announced is not None and self._announced is not letter:
            self.abort()
            raise ValueError("another letter was announced")
        announced, self._announced = self._announced is letter, None
        unfit = None if announced else envelope.unfit(letter, self._offered)
        if unfit:
            return unfit
        self.letters += 1
        ended = await self._guarded(
            self._write_chunk(letter) if self._in_chunks else self._write(letter, announced=announced)
        )
        if ended:
            return ended
        try:
            await before_end()
        except BaseException:
            self.abort()
            raise
        return await self._guarded(self._finish_chunk() if self._in_chunks else self._finish(letter, then))

    async def close(self) -> None:
        """Say QUIT, and do not wait long for the answer: no letter depends on it."""
        try:
            # After DATA it would be a line of a letter; the relay forgets an envelope whose letter never came.
            if self._line.open and self._announced is None:
                await self._dialogue.ask(b"QUIT\r\n", _QUIT_SECONDS)
        except (OSError, ValueError):
            pass
        finally:
            self._line.close()

    def abort(self) -> None:
        """Drop the connection; what the kernel has not got is not sent."""
        self._line.close()

    async def _write(self, letter: Letter, *, announced: bool) -> Replied | None:
        """Name sender and recipient, ask to begin, and write all but the end; None when the end may follow."""
        self._dialogue.phase = Phase.MAIL
        if self._line.unread and not announced:
            return await self._spoke_unasked()
        refusal = await self._hear_envelope() if announced else await self._offer(letter)
        if refusal:
            return refusal
        self._dialogue.phase = Phase.BODY
        body = self._line.write(envelope.stuffed(letter))
        await self._line.flush(body, self._settings.block_timeout_seconds, interruptible=True)
        self._line.look()
        if self._line.unread:
            return await self._spoke_unasked()
        self._require_open()
        return None

    async def _offer(self, letter: Letter) -> Replied | None:
        """Say the envelope, and whether the letter may follow; None when it may."""
        commands = self._commands(letter)
        if self._offered.pipelining:
            self._line.write(b"".join(commands))
            return await self._hear_envelope()
        for phase, command in zip(_ENVELOPE, commands, strict=True):
            self._line.write(command)
            refusal = await self._hear(phase, ())
            if refusal:
                return refusal
        return None

    def _commands(self, letter: Letter) -> tuple[bytes, bytes, bytes]:
        return envelope.mail(letter, self._offered), envelope.rcpt(letter, self._offered), b"DATA\r\n"

    async def _hear_envelope(self) -> Replied | None:
        for n, phase in enumerate(_ENVELOPE):
            refusal = await self._hear(phase, _ENVELOPE[n + 1 :])
            if refusal:
                return refusal
        return None

    async def _finish(self, letter: Letter, then: Letter | None) -> Replied:
        """Write the end, with the next letter's envelope behind it, and read the verdict."""
        if then and self._may_announce(then):
            self._announced = then
        behind = b"".join(self._commands(self._announced)) if self._announced else b""
        end = b".\r\n" if letter.message.endswith(b"\r\n") else b"\r\n.\r\n"
        self._end = self._line.write(end, behind)
        self._dialogue.phase = Phase.DOT
        await self._line.flush(self._end, self._settings.block_timeout_seconds)
        return await self._hear_verdict()

    def _may_announce(self, letter: Letter) -> bool:
        one_write = self._settings.pipelining == "one-write" and self._offered.pipelining
        return one_write and self.letters < self._quota.most and envelope.unfit(letter, self._offered) is None

    async def _write_chunk(self, letter: Letter) -> Replied | None:
        """Write envelope and letter at once, all but the last chunk, which is empty."""
        self._dialogue.phase = Phase.MAIL
        if self._line.unread:
            return await self._spoke_unasked()
        mail, rcpt, _ = self._commands(letter)
        chunk = b"BDAT %d\r\n" % len(letter.message)
        self._dialogue.phase = Phase.BODY
        body = self._line.write(b"".join((mail, rcpt, chunk, letter.message)))
        await self._line.flush(body, self._settings.block_timeout_seconds)
        self._require_open()
        return None

    async def _finish_chunk(self) -> Replied:
        """Write the last chunk, and read what the relay says of everything."""
        self._end = self._line.write(_LAST_CHUNK)
        self._dialogue.phase = Phase.DOT
        # Its replies are several small writes, and we have nothing more to say that an acknowledgement could ride on.
        self._line.hurry()
        await self._line.flush(self._end, self._settings.block_timeout_seconds)
        for n, phase in enumerate(_ENVELOPE):
            refusal = await self._hear(phase, (*_ENVELOPE[n + 1 :], Phase.DOT))
            if refusal:
                return refusal
        return await self._hear_verdict()

    async def _hear(self, phase: Phase, rest: Sequence[Phase]) -> Replied | None:
        """The reply to a command, None for a yes; after a no the replies to `rest` are read, and all is reset."""
        # A letter in chunks is in doubt already, whatever is answered to its envelope.
        if self._dialogue.phase is not Phase.DOT:
            self._dialogue.phase = phase
        data = phase is Phase.DATA
        lines = await self._dialogue.hear(
            self._settings.data_timeout_seconds if data else self._settings.command_timeout_seconds
        )
        wanted = b"3" if data and not self._in_chunks else b"2"
        if lines[-1].startswith(wanted):
            return None
        reply = replies.parse(lines)
        if reply.code < 400:
            raise ConnectionAbortedError(f"an answer to something else: {reply}")
        await self._tidy(reply, rest)
        return Replied(reply=reply, phase=phase)

    async def _hear_verdict(self) -> Replied:
        reply = replies.parse(await self._dialogue.hear(self._settings.dot_timeout_seconds))
        if reply.code < 300:
            self._accepted += 1
        elif reply.code < 400:
            raise ConnectionAbortedError(f"an answer to something else: {reply}")
        elif reply.code == 421:
            self._turned_away()
        self._dialogue.phase = Phase.REPLIED
        return Replied(reply=reply, phase=Phase.DOT)

    async def _tidy(self, reply: Reply, rest: Sequence[Phase]) -> None:
        """After a refusal, read the replies to what was sent ahead and reset; a line that cannot is dropped."""
        if reply.code == 421:
            self._turned_away()
            return
        try:
            async with asyncio.timeout(_TIDY_SECONDS):
                for phase in rest:
                    await self._hear_useless(phase)
                reset = await self._dialogue.ask(b"RSET\r\n", _TIDY_SECONDS)
            if reset.code >= 300:
                raise ConnectionAbortedError(f"RSET was refused: {reset}")
        except (OSError, ValueError):
            self.abort()
        self._dialogue.phase = Phase.REPLIED

    async def _hear_useless(self, phase: Phase) -> None:
        """The reply to a command that was sent ahead of a refusal."""
        reply = replies.parse(await self._dialogue.hear(_TIDY_SECONDS))
        if reply.code >= 400:
            return
        if phase is not Phase.DATA or reply.code < 300:
            # Something was taken of a letter that was refused: a dot might deliver nothing at all to somebody.
            raise ConnectionAbortedError(f"a yes behind a refusal: {reply}")
        # RFC 2920 3.1: 354 without a recipient is answered with a lone dot.
        await self._dialogue.ask(b".\r\n", _TIDY_SECONDS)

    async def _spoke_unasked(self) -> Replied:
        """A reply to nothing: a refusal counts as one; after anything else we no longer know what answers what."""
        reply = replies.parse(await self._dialogue.hear(self._settings.command_timeout_seconds))
        if reply.code < 400:
            raise ConnectionAbortedError(f"a reply nobody asked for: {reply}")
        self.abort()
        return Replied(reply=reply, phase=self.phase)

    def _turned_away(self) -> None:
        self._quota.turned_away(self._accepted)
        self.abort()

    def _require_open(self) -> None:
        if not self._line.open:
            raise ConnectionResetError("the relay closed the connection during the letter")

    async def _guarded(self, step: Awaitable[_T]) -> _T | Lost:
        """What a step of a submission gives, or how the connection was lost in it."""
        try:
            return await step
        except (OSError, ValueError) as error:
            in_doubt = self.phase is Phase.DOT and self._line.handed_over(self._end)
            phase = Phase.BODY if self.phase is Phase.DOT and not in_doubt else self.phase
            self.abort()
            return Lost(phase=phase, detail=line.said(error))
        except BaseException:
            self.abort()
            raise
