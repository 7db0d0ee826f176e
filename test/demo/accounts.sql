-- accounts.sql: what events are enriched with.

select count(cxsig.upsert_account(account_id, name, plan, owner, crm_ids, custom))
  from demo.account;
