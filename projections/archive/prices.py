"""The price table that costs are estimated with: a CSV file that users can replace.

    model_pattern,input_usd,output_usd,cache_read_usd,cache_write_usd,source,as_of

One line per model: a pattern as DuckDB's GLOB takes it, USD per million tokens, and for people where the
price is from and of which day. Other columns are not looked at.
"""

from __future__ import annotations

import csv
import math
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from eventlog.errors import BadInput

# The list prices that come along.
BUNDLED = Path(__file__).parent / "prices.csv"
# In a data directory: replaces the bundled table as a whole.
PRICES_NAME = "prices.csv"


class Price(NamedTuple):
    """USD per million tokens of the models that a pattern fits."""

    model_pattern: str
    input_usd: float
    output_usd: float
    cache_read_usd: float
    cache_write_usd: float


def read_prices(path: Path) -> list[Price]:
    """Return the prices of a table.

    Raises BadInput: a column is missing, or a price is no amount; the line is named.
    """
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [_price(line, path, number) for number, line in enumerate(csv.DictReader(file), 2)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadInput(f"{path} is no CSV file: {error}") from error


def _price(line: dict[str, str], path: Path, number: int) -> Price:
    try:
        amounts = [float(line[name]) for name in Price._fields[1:]]
        if not all(math.isfinite(amount) and amount >= 0 for amount in amounts):
            raise ValueError("a price is a number from 0 on")
        return Price(line["model_pattern"], *amounts)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"line {number} of {path} is no price: {error}",
            hint=f"its columns are {', '.join(Price._fields)}; prices are USD per million tokens",
        ) from error


def state_of(path: Path) -> tuple[int, int, int] | None:
    """Tell one state of a price table from another; None while there is none."""
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None
