"""Draws choices from the bytes a fuzzer made, so that changing a byte changes a choice. Judges nothing."""

from __future__ import annotations


class Drawing:
    """Bytes read from front to back; when they are used up, everything drawn is zero or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at >= len(self._data)

    def bytes(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, below: int) -> int:
        """Return a number from 0 up to, not including, `below`."""
        width = max(1, ((below - 1).bit_length() + 7) // 8)
        return int.from_bytes(self.bytes(width), "little") % below if below else 0

    def rest(self) -> bytes:
        return self.bytes(len(self._data))
