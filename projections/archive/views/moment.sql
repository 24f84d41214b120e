-- A time that an event says, within what the live tables and Python can hold (projections/columns.py); NULL
-- where it says none.
create macro base.moment(said) as
case
    when try_cast(said as timestamptz) < timestamptz '0001-01-03 00:00Z' then timestamptz '0001-01-03 00:00Z'
    when try_cast(said as timestamptz) > timestamptz '9999-12-29 00:00Z' then timestamptz '9999-12-29 00:00Z'
    else try_cast(said as timestamptz)
end
