"""Bytes to text (pure), for documents whose declared encoding is missing, vague or wrong."""

import codecs
import re
from typing import Final

BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# XML 1.0 appendix F: the first character tells the width of all.
WIDE: Final = (
    (re.compile(rb"[<{\[]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[<{\[]"), "utf-32-be"),
    (re.compile(rb"[<{\[\s]\0"), "utf-16-le"),
    (re.compile(rb"\0[<{\[\s]"), "utf-16-be"),
)
DECLARED: Final = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']\s*([A-Za-z][\w.:-]*)", re.IGNORECASE)
# The Encoding Standard: what these labels mean on the web is the larger encoding that Windows uses.
MEANT: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
# Python knows codecs that are no encodings of documents, some of them slow ("punycode") or surprising ("utf-7").
SINGLE: Final = re.compile(r"iso8859-\d+|cp(?:125\d|437|8[5-7]\d)|koi8-[rtu]|mac-\w+|ptcp154|kz1048|hp-roman8")
MULTIPLE: Final = re.compile(r"cp9(?:32|49|50)|gb18030|big5hkscs|euc_\w+|shift_jis\w+|iso2022_\w+|johab|hz")


def decode(data: bytes, charset: str = "") -> str:
    """The text of a document; `charset` is what came with it (HTTP), weaker than what it says itself.

    Bytes that are UTF-8 are read so whatever single-byte encoding is declared, since text in such an encoding is
    practically never valid UTF-8. Nothing declared and no UTF-8 is Windows-1252. Never raises.
    """
    for mark, name in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    for pattern, name in WIDE:
        if pattern.match(data):
            return data.decode(name, "replace")
    match = DECLARED.match(data)
    said = [name for name in (_codec(match[1].decode("ascii")) if match else "", _codec(charset)) if name]
    tried = [name for name in said if MULTIPLE.fullmatch(name)] + ["utf-8"] + said
    for name in tried:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return _mostly_utf8(data) or data.decode(said[0] if said else "cp1252", "replace")


def _codec(label: str) -> str:
    try:
        name = codecs.lookup(label.strip().lower().removeprefix("x-")).name if label else ""
    except (LookupError, ValueError):
        return ""
    name = MEANT.get(name, name)
    return name if SINGLE.fullmatch(name) or MULTIPLE.fullmatch(name) else ""


def _mostly_utf8(data: bytes) -> str:
    """UTF-8 with a few broken places (a teaser cut in mid-character), or "" when it is something else."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = sum(character > "\x7f" for character in text) - broken
    return text.replace("\ufffd", "") if broken * 2 <= whole else ""
