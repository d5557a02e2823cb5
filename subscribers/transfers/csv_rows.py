"""Bytes of a CSV file (RFC 4180) as rows, one bad row at a time. Pure, streaming, bounded whatever the file holds.

Python's own reader takes a forgotten quotation mark for the start of a field that swallows the rest of the file; here
it costs one row.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Final, NamedTuple

MAX_ROW_BYTES: Final = 65_536
MAX_ROW_LINES: Final = 100
DELIMITERS: Final = ",;\t"
# So many lines are looked at together.
BLOCK: Final = 5_000


class CsvRow(NamedTuple):
    """The fields of a row and the line of the file it starts on; `refused` says why there are none."""

    line: int
    fields: tuple[str, ...] = ()
    refused: str = ""


class RawRows(NamedTuple):
    """Lines that follow each other, each a row or blank, and not read yet: another process may do that."""

    line: int
    lines: list[bytes]
    delimiter: str


class _Line(NamedTuple):
    number: int
    data: bytes


_Blocks = Iterator[tuple[int, list[bytes]]]


def read(lines: Iterable[bytes], seen: Callable[[bytes], object] = len) -> Iterator[CsvRow]:
    """Yield the rows of a binary file or of its lines; the first one decides the delimiter. Blank lines are skipped.

    `seen` is given all bytes as they are read, such as the `update` of a hash.
    """
    return parsed(scan(lines, seen))


def parsed(rows: Iterable[CsvRow | RawRows]) -> Iterator[CsvRow]:
    """The fields of rows, whoever left them unread."""
    for one in rows:
        if isinstance(one, CsvRow):
            yield one
            continue
        for number, data in enumerate(one.lines, start=one.line):
            if data.strip():
                yield _row(number, data, one.delimiter)


def scan(
    lines: Iterable[bytes], seen: Callable[[bytes], object] = len, block: int = BLOCK
) -> Iterator[CsvRow | RawRows]:
    """What `read` yields, but rows of one line as they stand, up to so many together. The first row comes alone."""
    source = _blocks(lines, seen, block)
    waiting: deque[_Line] = deque()
    delimiter = ""
    for number, data in source:
        delimiter = delimiter or _delimiter(data[0])
        if not any(map(_is_open, data)):
            yield RawRows(number, data, delimiter)
            continue
        waiting.extend(map(_Line, count(number), data))
        while waiting:
            row = _gather(waiting, source)
            if not _is_open(row[0].data):
                yield RawRows(row[0].number, [row[0].data], delimiter)
                continue
            answer = _parse(row, delimiter)
            if answer.refused:
                # A mark out of place may have drawn in lines that are rows of their own.
                waiting.extendleft(reversed(row[1:]))
            yield answer


def _is_open(data: bytes) -> bool:
    """Whether a quotation mark of this line is not closed in it."""
    return data.count(b'"') % 2 == 1


def _row(number: int, data: bytes, delimiter: str) -> CsvRow:
    bare = data.rstrip(b"\r\n")
    if b'"' in bare or b"\r" in bare or b"\0" in bare or len(data) > MAX_ROW_BYTES:
        return _parse([_Line(number, data)], delimiter)
    try:
        return CsvRow(number, tuple(bare.decode().split(delimiter)))
    except UnicodeDecodeError as error:
        return CsvRow(number, refused=_undecoded(error))


def _undecoded(error: UnicodeDecodeError) -> str:
    return f"is not UTF-8: byte 0x{error.object[error.start]:02x}"


def _blocks(lines: Iterable[bytes], seen: Callable[[bytes], object], size: int) -> _Blocks:
    """The lines, by blocks, with the number of the first; those up to the one that names the columns come alone."""
    source, number, named = _bounded(lines, seen), 1, False
    while block := list(islice(source, size if named else 1)):
        if number == 1:
            block[0] = block[0].removeprefix(codecs.BOM_UTF8)
        yield number, block
        number += len(block)
        named = named or bool(block[0].strip())


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


def _gather(waiting: deque[_Line], source: _Blocks) -> list[_Line]:
    """The lines of the next row: as many as it takes for its quotation marks to come in pairs.

    Where they never do, it is the first line alone, and the others are given back.
    """
    row: list[_Line] = []
    quotes = size = 0
    while waiting or _refill(waiting, source):
        line = waiting.popleft()
        row.append(line)
        quotes += line.data.count(b'"')
        size += len(line.data)
        if quotes % 2 == 0:
            return row
        if size > MAX_ROW_BYTES or len(row) > MAX_ROW_LINES:
            break
    waiting.extendleft(reversed(row[1:]))
    return row[:1]


def _refill(waiting: deque[_Line], source: _Blocks) -> bool:
    for number, data in islice(source, 1):
        waiting.extend(map(_Line, count(number), data))
    return bool(waiting)


def _parse(row: list[_Line], delimiter: str) -> CsvRow:
    number, data = row[0].number, b"".join(line.data for line in row)
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
    return "" if not first.strip() else max(DELIMITERS, key=lambda one: first.count(one.encode()))
