-- List prices in USD per million tokens; a model has the price of the longest pattern that fits.
create table base.prices (
    model_pattern varchar,
    input_usd double,
    output_usd double,
    cache_read_usd double,
    cache_write_usd double
)
