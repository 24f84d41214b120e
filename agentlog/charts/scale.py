"""Where values lie on an axis, and how figures are written for people. Pure.

Units are those of the named queries: count, tokens, bytes, USD, seconds, fraction, number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

# Width of a character of a proportional font, in parts of its size: the average of wide fonts, so that in
# narrow ones a text is cut a little early. The whole of it is in the element's title.
CHARACTER_WIDTH = 0.6

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SPANS = ((86_400.0, "d", 3_600.0, "h"), (3_600.0, "h", 60.0, "min"), (60.0, "min", 1.0, "s"))

# Distances between the marks of a time axis: in seconds below a month, and in months.
_TIME_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
    2 * 86_400, 7 * 86_400, 14 * 86_400,
)  # fmt: skip
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
_MONTH_S = 30.44 * 86_400


def ticks(top: float, about: int = 4) -> list[float]:
    """Return round values from 0 to at least `top`, `about` so many steps."""
    if not top > 0 or not math.isfinite(top):
        return [0.0, 1.0]
    rough = top / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in _STEPS if power * one >= rough * 0.999)
    return [step * n for n in range(math.ceil(top / step * 0.999) + 1)]


def figure(value: float | None, unit: str) -> str:
    """Return a figure in few characters: $1.24, 3.4M, 97.6 %, 1 h 10 min. None is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    sign, size = ("−" if value < 0 else ""), abs(float(value))
    if unit == "fraction":
        return f"{sign}{f'{size * 100:.1f}'.removesuffix('.0')} %"
    if unit == "seconds":
        return sign + duration(size)
    if unit == "USD":
        return f"{sign}${_money(size)}"
    if unit == "bytes":
        return f"{sign}{_short(size)}B" if size >= 1000 else f"{sign}{_short(size)} B"
    if unit == "count" and size < 10_000 and size == int(size):
        return f"{sign}{size:,.0f}"
    return sign + _short(size)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    for size, name, part, part_name in _SPANS:
        if seconds >= size:
            whole, rest = divmod(round(seconds / part), round(size / part))
            return f"{whole} {name} {rest} {part_name}" if rest else f"{whole} {name}"
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.3g} s"
    return f"{seconds * 1000:.3g} ms"


def _short(size: float) -> str:
    for power, prefix in _PREFIXES:
        if size >= power * 0.9995:
            return f"{size / power:.3g}{prefix}" if size < power * 999.5 else f"{size / power:.0f}{prefix}"
    if size == int(size):
        return f"{size:.0f}"
    return f"{size:.3g}"


def _money(size: float) -> str:
    if size >= 10_000:
        return _short(size)
    if size >= 0.095 or size == 0:
        return f"{size:,.2f}".removesuffix(".00")
    return f"{size:.2g}"


def fitted(text: str, width: float, size: float = 12.0) -> str:
    """Return `text` cut with an ellipsis where it is wider than `width` pixels in a font of `size`."""
    characters = max(1, int(width / (size * CHARACTER_WIDTH)))
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def text_width(text: str, size: float = 12.0) -> float:
    """Return about how wide a text is, in pixels."""
    return len(text) * size * CHARACTER_WIDTH


def every(count: int, room: float, width: float) -> int:
    """Return n so that every n-th of `count` labels, each `width` wide, has room side by side."""
    return max(1, math.ceil(count * width / max(room, 1.0)))


def time_ticks(first: datetime, last: datetime, about: int) -> list[tuple[datetime, str]]:
    """Return moments from `first` to `last`, UTC, with their labels: about so many, at round times."""
    span = max((last - first).total_seconds(), 1.0)
    step = next((one for one in _TIME_STEPS if span / one <= about), None)
    moments = _months(first, last, span / about) if step is None else _seconds(first, last, step)
    return [(moment, _moment(moment, step, last.year != first.year)) for moment in moments]


def _seconds(first: datetime, last: datetime, step: int) -> list[datetime]:
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    into = math.ceil((first - midnight).total_seconds() / step)
    count = math.floor((last - midnight).total_seconds() / step)
    return [midnight + timedelta(seconds=n * step) for n in range(into, count + 1)]


def _months(first: datetime, last: datetime, step_s: float) -> list[datetime]:
    step = next((one for one in _MONTH_STEPS if one * _MONTH_S >= step_s), _MONTH_STEPS[-1])
    start, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    numbers = range(start // step * step, end + 1, step)
    moments = [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers]
    return [moment for moment in moments if moment >= first]


def _moment(moment: datetime, step: int | None, years: bool) -> str:
    if step is None:
        return moment.strftime("%b %Y") if years else moment.strftime("%b")
    if step < 60:
        return moment.strftime("%H:%M:%S")
    if step < 86_400 and (moment.hour, moment.minute) != (0, 0):
        return moment.strftime("%H:%M")
    return day_label(moment)


def day_label(moment: datetime) -> str:
    """Return a day in few characters."""
    return f"{moment.strftime('%b')} {moment.day}"


def heights(values: Sequence[float | None], top: float, room: float) -> list[float]:
    """Return how tall values are, in pixels, when `top` is `room` tall."""
    return [0.0 if value is None or top <= 0 else max(value, 0.0) / top * room for value in values]
