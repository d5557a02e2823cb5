"""A bad row costs one row, whatever is in it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.transfers.csv_rows import MAX_ROW_BYTES, MAX_ROW_LINES, CsvRow, RawRows, parsed, read, scan


def rows(data: bytes) -> list[CsvRow]:
    return list(read(io.BytesIO(data)))


def fields(data: bytes) -> list[tuple[str, ...]]:
    return [one.fields for one in rows(data)]


def test_rows_know_the_line_they_start_on() -> None:
    data = b'email,wording\na@x.org,"two\nlines, ""quoted"""\n\nb@x.org,one\n'
    assert rows(data) == [
        CsvRow(line=1, fields=("email", "wording")),
        CsvRow(line=2, fields=("a@x.org", 'two\nlines, "quoted"')),
        CsvRow(line=5, fields=("b@x.org", "one")),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("delimiter", [b",", b";", b"\t"])
def test_the_usual_dialects_are_read(delimiter: bytes, end: bytes) -> None:
    data = b"\xef\xbb\xbf" + end.join([delimiter.join([b"email", b"name"]), delimiter.join([b"a@x.org", b'"b"'])])
    assert fields(data) == [("email", "name"), ("a@x.org", "b")]


def test_a_quotation_mark_never_closed_costs_its_own_row() -> None:
    data = b'email\n"a@x.org\nb@x.org\nc@x.org\n'
    assert [one.fields for one in rows(data) if not one.refused] == [("email",), ("b@x.org",), ("c@x.org",)]
    assert [one.line for one in rows(data) if one.refused] == [2]


def test_two_marks_out_of_place_cost_their_own_rows() -> None:
    data = b'email,n\na@x.org,5" disk\nb@x.org,fine\nc@x.org,"7" disk\nd@x.org,fine\n'
    kept = [one.fields[0] for one in rows(data) if not one.refused]
    assert kept[-1] == "d@x.org"
    assert {"b@x.org"} <= set(kept)


def test_a_mark_never_closed_in_a_long_file_costs_one_row() -> None:
    data = b'email\n"a@x.org\n' + b"b@x.org\n" * (3 * MAX_ROW_LINES)
    assert [one.line for one in rows(data) if one.refused] == [2]
    assert len(rows(data)) == 2 + 3 * MAX_ROW_LINES


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\xe9ric@x.org", "is not UTF-8: byte 0xe9"),
        (b"a\0@x.org", "contains a NUL"),
        (b"x" * (MAX_ROW_BYTES + 1), "is longer than 65536 bytes"),
        (b"x" * (3 * MAX_ROW_BYTES), "is longer than 65536 bytes"),
        (b"a@x.org\rb@x.org", "is not CSV: a quotation mark or line end out of place"),
    ],
)
def test_a_bad_row_is_named_and_its_neighbours_are_read(bad: bytes, reason: str) -> None:
    data = b"email\na@x.org\n" + bad + b"\nc@x.org\n"
    assert rows(data) == [
        CsvRow(line=1, fields=("email",)),
        CsvRow(line=2, fields=("a@x.org",)),
        CsvRow(line=3, refused=reason),
        CsvRow(line=4, fields=("c@x.org",)),
    ]


def test_a_file_without_line_ends_is_never_held_whole() -> None:
    class Endless(io.BufferedReader):
        largest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= MAX_ROW_BYTES + 1
            return super().readline(size)

    [only] = read(Endless(io.BytesIO(b"x" * 5_000_000)))
    assert only == CsvRow(line=1, refused="is longer than 65536 bytes")


def test_lines_may_come_from_anywhere() -> None:
    assert [one.fields for one in read([b"email\n", b"a@x.org\n"])] == [("email",), ("a@x.org",)]


def test_rows_of_one_line_are_left_unread_by_blocks_and_the_first_row_comes_alone() -> None:
    data = b'\nemail;n\na@x.org;1\n"b@x.org";2\n\nc@x.org;"two\nlines"\nd@x.org;4\n'
    assert list(scan(io.BytesIO(data), block=3)) == [
        RawRows(line=1, lines=[b"\n"], delimiter=""),
        RawRows(line=2, lines=[b"email;n\n"], delimiter=";"),
        RawRows(line=3, lines=[b"a@x.org;1\n", b'"b@x.org";2\n', b"\n"], delimiter=";"),
        CsvRow(line=6, fields=("c@x.org", "two\nlines")),
        RawRows(line=8, lines=[b"d@x.org;4\n"], delimiter=";"),
    ]


LINES = st.lists(st.sampled_from([b"a@x.org,1\n", b'"b",2\n', b'c,"open\n', b'closed",3\n', b"\n", b'"\n', b"d\r\n"]))


@given(LINES, st.integers(1, 9))
def test_the_size_of_the_blocks_makes_no_difference(lines: list[bytes], block: int) -> None:
    assert list(parsed(scan(lines, block=block))) == list(read(lines))


@given(st.binary(max_size=400) | st.text('a,";\n\r', max_size=60).map(str.encode))
def test_any_bytes_are_rows_or_refusals_in_order(data: bytes) -> None:
    found = rows(data)
    assert [one.line for one in found] == sorted({one.line for one in found})
    assert all(bool(one.fields) != bool(one.refused) for one in found)
