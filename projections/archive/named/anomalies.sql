-- Days that are unlike the week before them, the most unlike first.
-- Each figure of a day is compared with the seven days before it, days on which nothing happened counting
-- as zero. The score is its distance from their mean in standard deviations (of a sample), which count as a
-- tenth of the mean at the least, so that a quiet week does not make every ripple an anomaly. The first
-- seven days are not judged, nor are figures that were zero all week. The last day may not be over yet.
--   $threshold  double = 3  least distance that is told
--   $count      bigint = 50  at most so many
--   day             date    UTC day
--   figure          text    messages, sessions, output_tokens, cost_usd or tool_errors
--   value           number  of that day
--   week_mean       number  mean of the seven days before
--   week_deviation  number  their standard deviation
--   score           number  distance from the mean in deviations; below 0: less than usual
with said as (
    select
        day,
        count(*)::double as messages,
        count(distinct (tenant, session))::double as sessions,
        count(*) filter (where tool_error)::double as tool_errors
    from messages
    group by day
),
used as (
    select day, sum(output_tokens)::double as output_tokens, coalesce(sum(cost), 0)::double as cost_usd
    from usage
    group by day
),
days as (
    select unnest(generate_series(min(day), max(day), interval 1 day))::date as day from said
),
figures as (
    select
        day,
        unnest(['messages', 'sessions', 'output_tokens', 'cost_usd', 'tool_errors']) as figure,
        unnest([
            coalesce(messages, 0), coalesce(sessions, 0), coalesce(output_tokens, 0),
            coalesce(cost_usd, 0), coalesce(tool_errors, 0)
        ]) as value
    from days left join said using (day) left join used using (day)
),
compared as (
    select
        *,
        avg(value) over week as week_mean,
        stddev_samp(value) over week as week_deviation,
        count(*) over week as days_before
    from figures
    window week as (partition by figure order by day rows between 7 preceding and 1 preceding)
),
scored as (
    select
        day, figure, value, week_mean, week_deviation,
        (value - week_mean) / greatest(week_deviation, week_mean / 10) as score
    from compared
    where days_before = 7 and week_mean > 0
)
select * from scored
where abs(score) >= $threshold
order by abs(score) desc, day, figure
limit $count
