-- One price.
--   $1 model_pattern, $2 input_usd, $3 output_usd, $4 cache_read_usd, $5 cache_write_usd
insert into base.prices values ($1, $2, $3, $4, $5)
