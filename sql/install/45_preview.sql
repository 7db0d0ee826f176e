-- What a destination would be sent, without sending it. Callers need cxsig_admin.

create function cxsig.preview_payload(
    destination text,
    event_id uuid,
    out method text,
    out url text,
    out headers jsonb,
    out body text,
    out unmapped text[]
) returns record
    language c volatile strict parallel unsafe security definer
    set search_path = pg_catalog, pg_temp
    as 'MODULE_PATHNAME', 'cxsig_preview_payload';
comment on function cxsig.preview_payload(text, uuid) is
    'shows the request that a destination would be sent for an event, without sending it. Secrets are *** or left out; unmapped names the keys of the mapping that find nothing in the event, and values that are in no $map. Nulls where the filter leaves the event out';
