-- The extension that the other tests use.
set client_min_messages = warning;
create extension cxsig;
