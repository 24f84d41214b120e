"""Collects findings about single positions and joins neighbours with one cause into one finding. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from replay.report import Finding, positions

VALUE_CHARACTERS = 200


class Spans:
    """Findings as they come, in order of position.

    `tell` gets the words for a run of positions: "positions 3 to 9".
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._open: dict[tuple[str, str], tuple[int, int, Callable[[str], str], dict[str, Any]]] = {}

    def add(
        self,
        area: str,
        cause: str,
        position: int,
        tell: Callable[[str], str],
        values: dict[str, Any] | None = None,
        where: str = "",
    ) -> None:
        """Note a finding; it joins the one before if that has the same cause and ends next to it."""
        key = (area, f"{where}\n{cause}")
        known = self._open.get(key)
        if known is not None and known[1] + 1 == position:
            self._open[key] = (known[0], position, known[2], known[3])
            return
        if known is not None:
            self._close(key)
        self._open[key] = (position, position, tell, {name: _short(v) for name, v in (values or {}).items()})

    def finish(self) -> list[Finding]:
        """Return all findings, in order of position."""
        for key in list(self._open):
            self._close(key)
        self.findings.sort(key=lambda finding: finding.first_position or 0)
        return self.findings

    def _close(self, key: tuple[str, str]) -> None:
        first, last, tell, values = self._open.pop(key)
        self.findings.append(
            Finding(
                area=key[0],
                problem=tell(positions(first, last)),
                first_position=first,
                last_position=last,
                where=key[1].split("\n", 1)[0],
                # One value speaks for itself; of a run only its first would be shown.
                values=values if first == last else {},
            )
        )


def _short(value: Any) -> Any:
    """Return a value fit for a report: long content shows its beginning."""
    if isinstance(value, str) and len(value) > VALUE_CHARACTERS:
        return value[:VALUE_CHARACTERS] + "…"
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    return value
