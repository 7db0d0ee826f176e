-- progress.sql: one line for a person who waits.
select string_agg(format('%s %s delivered', d.name,
                         (select count(*) from cxsig.delivery v
                           where v.destination_id = d.destination_id and v.outcome = 'delivered')), ', '
                  order by d.destination_id)
  from cxsig.destination d
