"""What a relay is told of one letter before its bytes (RFC 5321 4.1, and the extensions it offers). Pure."""

import io
import re
from typing import Final

from newsletter.delivery.outcome import Phase, Replied, Reply
from newsletter.delivery.replies import Extensions
from newsletter.rendering.letter import Letter

_MAILBOX: Final = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]*")
# RFC 3461 4: xtext is printable ASCII without `+` and `=`; anything else is written as +HH.
_NO_XTEXT: Final = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x7e]")
_MOST_ENVID: Final = 100


def unfit(letter: Letter, offered: Extensions) -> Replied | None:
    """The refusal a relay would answer, for what cannot be said to this one."""
    sender, reader, message = letter.envelope.mail_from, letter.envelope.rcpt_to, letter.message
    if not _sayable(sender, offered):
        return _withheld(Phase.MAIL, 553, "5.1.7", "the sender’s address cannot be written in an SMTP command")
    if not reader or not _sayable(reader, offered):
        needs = "" if reader.isascii() or offered.smtputf8 else "; this relay offers no SMTPUTF8"
        return _withheld(Phase.RCPT, 553, "5.6.7", f"the address cannot be written in an SMTP command{needs}")
    # Our letters are 7-bit text; what may be 8-bit in one is the header that names an SMTPUTF8 address.
    if not letter.proven and not ((message.isascii() or needs_utf8(letter)) and _lines_end_in_crlf(message)):
        return _withheld(Phase.DATA, 554, "5.6.3", "the letter is not 7-bit text with CRLF line ends")
    if offered.size and len(message) > offered.size:
        size = f"the letter’s size of {len(message)} octets is more than the {offered.size} the relay takes"
        return _withheld(Phase.MAIL, 552, "5.3.4", size)
    return None


def needs_utf8(letter: Letter) -> bool:
    """Whether only a relay with SMTPUTF8 (RFC 6531) can take it."""
    return not (letter.envelope.mail_from + letter.envelope.rcpt_to).isascii()


def mail(letter: Letter, offered: Extensions) -> bytes:
    """MAIL, with its line end. The size is that before dot-stuffing (RFC 1870 5)."""
    words = [f"MAIL FROM:<{letter.envelope.mail_from}>"]
    if offered.size is not None:
        words.append(f"SIZE={len(letter.message)}")
    if offered.dsn:
        # Only the headers of a letter come back, and with them the token that says which one it was.
        words.append(f"RET=HDRS ENVID={xtext(letter.message_id.strip('<>').partition('@')[0])[:_MOST_ENVID]}")
    if needs_utf8(letter):
        words.append("BODY=8BITMIME SMTPUTF8")
    return f"{' '.join(words)}\r\n".encode()


def rcpt(letter: Letter, offered: Extensions) -> bytes:
    """RCPT, with its line end."""
    reader = letter.envelope.rcpt_to
    if offered.dsn and reader.isascii():
        return f"RCPT TO:<{reader}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;{xtext(reader)}\r\n".encode()
    return f"RCPT TO:<{reader}>\r\n".encode()


def xtext(text: str) -> str:
    """ASCII as a DSN parameter carries it."""
    return _NO_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def stuffed(letter: Letter) -> bytes:
    """The message with RFC 5321 4.5.2 transparency; every letter of ours is the same bytes as before."""
    message = letter.message
    if letter.proven:
        return message
    # CPython searches backwards four times as fast.
    if message.rfind(b"\r\n.") >= 0:
        message = message.replace(b"\r\n.", b"\r\n..")
    return b"." + message if message.startswith(b".") else message


def _sayable(address: str, offered: Extensions) -> bool:
    if address.isascii():
        return bool(_MAILBOX.fullmatch(address))
    return offered.smtputf8 and address.isprintable() and not set(" <>") & set(address)


def _lines_end_in_crlf(message: bytes) -> bool:
    """Whether no line feed and no carriage return stands alone: what one relay reads as an end, the next does not."""
    # The decoder notes which line ends it saw, five times as fast as they can be counted.
    decoder = io.IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(message.decode("latin-1"), final=True)
    return decoder.newlines in {None, "\r\n"}


def _withheld(phase: Phase, code: int, enhanced: str, why: str) -> Replied:
    return Replied(reply=Reply(code=code, enhanced=enhanced, text=f"not offered: {why}"), phase=phase)
