"""Bytes of a CSV file (RFC 4180) as rows, one bad row at a time. Pure, streaming, bounded whatever the file holds.

Python's own reader takes a forgotten quotation mark for the start of a field that swallows the rest of the file; here
it costs one row.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

MAX_ROW_BYTES: Final = 65_536
MAX_ROW_LINES: Final = 100
DELIMITERS: Final = ",;\t"


class CsvRow(NamedTuple):
    """The fields of a row and the line of the file it starts on; `refused` says why there are none."""

    line: int
    fields: tuple[str, ...] = ()
    refused: str = ""


class RawRow(NamedTuple):
    """A row without anything special in it, as most are, not read yet: another process may do that."""

    line: int
    data: bytes
    delimiter: str


class _Line(NamedTuple):
    number: int
    data: bytes


def read(lines: Iterable[bytes], seen: Callable[[bytes], object] = len) -> Iterator[CsvRow]:
    """Yield the rows of a binary file or of its lines; the first one decides the delimiter. Blank lines are skipped.

    `seen` is given all bytes as they are read, such as the `update` of a hash.
    """
    return map(parsed, scan(lines, seen))


def parsed(row: CsvRow | RawRow) -> CsvRow:
    """The fields of a row, whoever left them unread."""
    if isinstance(row, CsvRow):
        return row
    try:
        return CsvRow(row.line, tuple(row.data.decode().split(row.delimiter)))
    except UnicodeDecodeError as error:
        return CsvRow(row.line, refused=_undecoded(error))


def scan(lines: Iterable[bytes], seen: Callable[[bytes], object] = len) -> Iterator[CsvRow | RawRow]:
    """What `read` yields, but for the rows that take no care to read, which come as they stand."""
    source = _numbered(lines, seen)
    waiting: deque[_Line] = deque()
    delimiter = ""
    while line := (waiting.popleft() if waiting else next(source, None)):
        delimiter = delimiter or _delimiter(line.data)
        if plain := _plain(line.data):
            yield RawRow(line.number, plain, delimiter)
            continue
        waiting.appendleft(line)
        row = _gather(source, waiting)
        answer = _parse(row, delimiter)
        if answer and answer.refused:
            # A mark out of place may have drawn in lines that are rows of their own.
            waiting.extendleft(reversed(row[1:]))
        if answer:
            yield answer


def _plain(data: bytes) -> bytes:
    """A line that is a row without anything special in it; nothing for what needs a closer look."""
    bare = data.rstrip(b"\r\n")
    if b'"' in bare or b"\r" in bare or b"\0" in bare or len(data) > MAX_ROW_BYTES or not bare.strip():
        return b""
    return bare


def _undecoded(error: UnicodeDecodeError) -> str:
    return f"is not UTF-8: byte 0x{error.object[error.start]:02x}"


def _numbered(lines: Iterable[bytes], seen: Callable[[bytes], object]) -> Iterator[_Line]:
    for number, data in enumerate(_bounded(lines, seen), start=1):
        yield _Line(number, data.removeprefix(codecs.BOM_UTF8) if number == 1 else data)


def _bounded(lines: Iterable[bytes], seen: Callable[[bytes], object]) -> Iterator[bytes]:
    """The lines, none of them much longer than a row may be, even where the file has no line ends at all."""
    if not isinstance(lines, io.BufferedIOBase):
        for data in lines:
            seen(data)
            yield data
        return
    while data := lines.readline(MAX_ROW_BYTES + 1):
        seen(data)
        yield data
        while len(data) > MAX_ROW_BYTES and not data.endswith(b"\n"):
            data = lines.readline(MAX_ROW_BYTES + 1)
            seen(data)


def _gather(source: Iterator[_Line], waiting: deque[_Line]) -> list[_Line]:
    """The lines of the next row: as many as it takes for its quotation marks to come in pairs.

    Where they never do, it is the first line alone, and the others are given back.
    """
    row: list[_Line] = []
    quotes = size = 0
    while line := (waiting.popleft() if waiting else next(source, None)):
        row.append(line)
        quotes += line.data.count(b'"')
        size += len(line.data)
        if quotes % 2 == 0:
            return row
        if size > MAX_ROW_BYTES or len(row) > MAX_ROW_LINES:
            break
    waiting.extendleft(reversed(row[1:]))
    return row[:1]


def _parse(row: list[_Line], delimiter: str) -> CsvRow | None:
    number, data = row[0].number, b"".join(line.data for line in row)
    if not data.strip():
        return None
    try:
        return CsvRow(line=number, fields=tuple(_fields(data, delimiter)))
    except UnicodeDecodeError as error:
        return CsvRow(line=number, refused=_undecoded(error))
    except (csv.Error, ValueError) as error:
        return CsvRow(line=number, refused=str(error))


def _fields(data: bytes, delimiter: str) -> list[str]:
    if len(data) > MAX_ROW_BYTES:
        raise ValueError(f"is longer than {MAX_ROW_BYTES} bytes")
    text = data.decode("utf-8")
    if "\0" in text:
        raise ValueError("contains a NUL")
    found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    if len(found) != 1:
        raise ValueError("is not CSV: a quotation mark or line end out of place")
    return found[0]


def _delimiter(first: bytes) -> str:
    return max(DELIMITERS, key=lambda one: first.count(one.encode()))
