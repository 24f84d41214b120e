"""Lines cover the file, byte for byte, whatever the file holds."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from replay.imports.lines import Line, read_lines

pieces = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"{}", b"\xef\xbb\xbf", b"\xff", "\u2028".encode(), b"long" * 9, b""]
)


def lines(text: bytes, limit_bytes: int = 1000) -> list[Line]:
    return list(read_lines(io.BytesIO(text), limit_bytes))


@given(st.lists(pieces).map(b"".join), st.integers(1, 40))
def test_spans_cover_the_file_without_gap_or_overlap(text: bytes, limit_bytes: int) -> None:
    """What is no span would be dropped silently."""
    found = lines(text, limit_bytes)
    end = 0
    for number, line in enumerate(found, 1):
        assert (line.number, line.offset) == (number, end)
        end += line.length_bytes
        assert text[line.offset : end].endswith(b"\n") == line.ended
        assert text[line.offset : end].count(b"\n") == line.ended
        assert line.content is None or len(line.content) <= limit_bytes
    assert end == len(text)


def test_only_lf_ends_a_line_and_a_cr_before_it_belongs_to_the_ending() -> None:
    """U+2028 and a lone CR occur inside of real tool output."""
    text = "a\u2028b\rc\r\nd\n".encode()
    assert [line.content for line in lines(text)] == ["a\u2028b\rc".encode(), b"d"]


def test_a_byte_order_mark_is_content_only_after_the_first_line() -> None:
    """Editors on Windows put one at the start of a file; elsewhere it is a character."""
    mark = "\ufeff".encode()
    assert [line.content for line in lines(mark + b"{}\n" + mark + b"\n")] == [b"{}", mark]


def test_a_line_over_the_limit_is_measured_but_not_kept() -> None:
    """A file of one endless line must not fill the memory; the lines around it are read."""
    found = lines(b"ok\n" + b"x" * 50 + b"\nok", limit_bytes=49)
    assert found == [
        Line(1, 0, 3, b"ok", True),
        Line(2, 3, 51, None, True),
        Line(3, 54, 2, b"ok", False),
    ]


def test_a_line_of_exactly_the_limit_is_kept_whatever_its_ending() -> None:
    """The ending is no part of what an event has to hold."""
    for ending in (b"", b"\n", b"\r\n"):
        (line,) = lines(b"x" * 49 + ending, limit_bytes=49)
        assert line.content == b"x" * 49
