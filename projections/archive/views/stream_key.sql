-- A text, if it can be the key of a stream (projections/columns.py); else NULL: it refers to nothing.
create macro base.stream_key(said) as case when strlen(said) between 1 and 1024 then said end
