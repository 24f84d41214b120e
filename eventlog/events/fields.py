"""Types of fields that several events share, with the limits that keep projections writable.

The limits are those of the columns the fields end up in: a value beyond them would be refused by
Postgres inside of an append. They bound what an event may say, not how it is stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Raw

# Absent JSON. msgspec cannot decode `Raw | None`, so an optional Raw field defaults to this one;
# a null that was written down means the same.
NULL = Raw(b"null")

# Fits an `integer` column, so that 2^32 of them still fit a `bigint` sum.
Integer = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
# Of what grows beyond 32 bits: tokens of a conversation, versions of a stream. Exact in any JSON reader.
LargeCount = Annotated[int, Meta(ge=0, le=2**53)]
# With a time zone: a time without one means another moment on every machine.
Time = Annotated[datetime, Meta(tz=True)]
# A word of a small vocabulary ("active"), short enough for an index.
Word = Annotated[str, Meta(min_length=1, max_length=63)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
