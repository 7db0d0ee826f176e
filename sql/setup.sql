-- The extension that the other tests use. The worker makes the first partitions; what is written
-- straight into a table by a test comes after that.
set client_min_messages = warning;
create extension cxsig;
select cxsig.wait_until_idle() as ready;
