-- Append a batch of commands; parameters and result as functions/append.sql names them. Arrays of
-- small values travel as literals (arrays.py).
SELECT * FROM {schema}.append(
    $1::text::integer[], $2::text::text[], $3::text::text[], $4::text::text[],
    $5::text::bigint[], $6::text::bigint[], $7::text::bigint[],
    $8::text::integer[], $9::text::text[], $10::text::text[], $11::text::integer[], $12::text::integer[], $13,
    $14::text::integer[], $15::text::bigint[], $16::text::text[], $17::text::smallint[], $18::text::uuid[],
    $19::text::timestamptz[], $20::text::text[], $21::text::boolean[],
    $22::text::integer[], $23::text::integer[], $24::text::integer[], $25,
    $26, $27::text::text[], $28, $29, $30, $31, $32)
