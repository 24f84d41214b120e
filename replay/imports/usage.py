"""Each API response counted once. Costs and totals are not worked out here.

Claude Code writes one response as several lines, each with the usage so far, and often lines of
another response in between: adding them all up gives 1.1 to 2.7 times the truth (measured on 131
real files). So a message carries the difference to what its response has added before it, and
the sum over the lines of a response is what its last line says. The difference is negative where
a later line says less.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from eventlog.events import Usage

# A figure outside of this is no count of tokens; the field takes no other either.
TOKENS_MAX = 2**31 - 1


class Responses:
    """What each response of one file has added so far."""

    def __init__(self) -> None:
        self._counted: dict[str, Usage] = {}

    def added(self, response_id: str | None, usage: Usage) -> Usage | None:
        """Return what a line adds to its response; None when that is nothing.

        Lines without a response id (exports of other tools) each count for themselves.
        """
        before = Usage()
        if response_id is not None:
            before = self._counted.get(response_id, before)
            self._counted[response_id] = usage
        difference = Usage(
            input_tokens=usage.input_tokens - before.input_tokens,
            output_tokens=usage.output_tokens - before.output_tokens,
            cache_read_tokens=usage.cache_read_tokens - before.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens - before.cache_write_tokens,
        )
        return None if difference == Usage() else difference


def total(left: Usage, right: Usage) -> Usage:
    """Return the sum of two usages."""
    return Usage(
        *(a + b for a, b in zip(msgspec.structs.astuple(left), msgspec.structs.astuple(right), strict=True))
    )


def read_usage(values: dict[str, Raw]) -> Usage | None:
    """Return the `usage` of a Claude message, or None when it has none."""
    try:
        usage = msgspec.json.decode(values.get("usage", b"null"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(usage, dict):
        return None
    return Usage(
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        cache_read_tokens=_count(usage.get("cache_read_input_tokens")),
        cache_write_tokens=_count(usage.get("cache_creation_input_tokens")),
    )


def _count(value: Any) -> int:
    if type(value) is int and 0 <= value <= TOKENS_MAX:
        return value
    return 0
