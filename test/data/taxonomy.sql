-- taxonomy.sql: what the two sources of the sample data mean. Can be run again at any time.
-- Raw tags "gdpr request" and "dark mode" are left unmapped on purpose: cxsig.unmapped_tags lists them.

select cxsig.define_source('zendesk', 'helpdesk, triaged by its own AI', array['helpdesk.acme.example'],
    '{"churn_risk": {"yes": "high", "no": "low"},
      "confidence": {"high": "0.9", "medium": "0.75", "low": "0.6"}}');
select cxsig.define_source('intercom', 'chat, triaged by its own AI', array['.acme.example'],
    '{"sentiment": {"unhappy": "negative", "happy": "positive", "delighted": "very_positive"}}');

select cxsig.define_driver(driver, label)
  from (values ('access', 'Getting in'), ('billing', 'Billing'), ('data', 'Data in and out'),
               ('integrations', 'Integrations'), ('pricing', 'Price'), ('product_gap', 'What is missing'),
               ('reliability', 'Reliability'), ('retention', 'Leaving'), ('support_quality', 'Support'),
               ('usability', 'Ease of use')) as d (driver, label);

select cxsig.define_tag(tag, driver, label)
  from (values ('billing_issue', 'billing', 'Wrong bill'), ('refund_request', 'billing', 'Wants money back'),
               ('price_increase', 'pricing', 'Price went up'), ('login_problem', 'access', 'Cannot sign in'),
               ('sso_setup', 'access', 'Single sign-on'), ('outage', 'reliability', 'Outage'),
               ('slow_dashboard', 'reliability', 'Too slow'), ('mobile_crash', 'reliability', 'App crashes'),
               ('sync_broken', 'integrations', 'Sync broken'), ('export_failed', 'data', 'Export failed'),
               ('missing_feature', 'product_gap', 'Feature missing'), ('confusing_ui', 'usability', 'Hard to use'),
               ('slow_response', 'support_quality', 'Waits for an answer'),
               ('repeat_contact', 'support_quality', 'Had to write again'),
               ('escalation', 'support_quality', 'Escalated'), ('cancellation', 'retention', 'Wants to leave'))
       as t (tag, driver, label);

select cxsig.map_tag(raw_tag, tag)
  from (values ('Billing Issue', 'billing_issue'),
               ('Refund Request', 'refund_request'), ('Refund', 'refund_request'),
               ('Price Increase', 'price_increase'), ('Pricing', 'price_increase'), ('Renewal Price', 'price_increase'),
               ('Login Problem', 'login_problem'), ('Cant Log In', 'login_problem'),
               ('SSO Setup', 'sso_setup'), ('SSO', 'sso_setup'), ('SAML', 'sso_setup'), ('Single Sign On', 'sso_setup'),
               ('Outage', 'outage'), ('Service Down', 'outage'), ('Downtime', 'outage'),
               ('Slow Dashboard', 'slow_dashboard'), ('Performance', 'slow_dashboard'),
               ('Performance Issue', 'slow_dashboard'), ('Slow Loading', 'slow_dashboard'),
               ('Sync Broken', 'sync_broken'), ('Integration Error', 'sync_broken'), ('CRM Sync', 'sync_broken'),
               ('Export Failed', 'export_failed'), ('CSV Export', 'export_failed'), ('Export Error', 'export_failed'),
               ('Missing Feature', 'missing_feature'), ('Feature Request', 'missing_feature'),
               ('Confusing UI', 'confusing_ui'), ('UX', 'confusing_ui'), ('Usability', 'confusing_ui'),
               ('Slow Response', 'slow_response'), ('No Reply', 'slow_response'), ('Support Quality', 'slow_response'),
               ('Cancellation', 'cancellation'), ('Cancel', 'cancellation'), ('Cancel Account', 'cancellation'),
               ('Wants To Leave', 'cancellation'), ('Mobile Crash', 'mobile_crash'), ('App Crash', 'mobile_crash'),
               ('Urgent', 'escalation'), ('VIP', 'escalation'), ('VIP Customer', 'escalation'),
               ('Repeat Contact', 'repeat_contact'))
       as m (raw_tag, tag);

select cxsig.define_metric('reason_for_churn', 'text',
    array['price', 'missing_feature', 'reliability', 'usability', 'support', 'competitor'], '', 'why they would leave');
select cxsig.define_metric('upsell_opportunity', 'boolean', null, '', 'could buy more');
select cxsig.define_metric('seats_at_risk', 'integer', null, 'seats', 'seats lost if they leave');
select cxsig.define_metric('csat', 'integer', null, 'of 5', 'the customer''s own rating');
select cxsig.define_metric('first_response_minutes', 'number', null, 'min', 'time to the first answer');
select cxsig.define_metric('messages', 'integer', null, '', 'messages so far');
