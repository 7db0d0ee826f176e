# Makefile: what is compiled, joined and installed (PGXS).
#
# This is all a packager needs: make, make install, make installcheck, with PG_CONFIG=... to choose
# the server. The targets for people (deps, check, demo, bench, lint, format, help) stand in
# GNUmakefile, which GNU make reads first and which hands these targets on to this file.

MODULE_big = cxsig
EXTENSION = cxsig
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(dir $(lastword $(MAKEFILE_LIST)))cxsig.control)

# C, by layer: a layer includes only those that stand above it here (test/lint/house.py checks it).
OBJS_base = \
	src/base/clock.o \
	src/base/partition.o \
	src/base/settings.o \
	src/base/shared.o \
	src/base/staging.o \
	src/base/version.o \
	src/base/wake.o

OBJS_event = \
	src/event/event_sql.o \
	src/event/filter.o \
	src/event/json.o \
	src/event/json_read.o \
	src/event/mapping.o \
	src/event/mapping_value.o \
	src/event/members.o \
	src/event/path.o \
	src/event/read.o \
	src/event/render.o \
	src/event/uuid.o

OBJS_ingest = \
	src/ingest/digest.o \
	src/ingest/emit.o \
	src/ingest/flatjson.o \
	src/ingest/heads.o \
	src/ingest/import.o \
	src/ingest/ingest_sql.o \
	src/ingest/position.o \
	src/ingest/record.o \
	src/ingest/record_rows.o \
	src/ingest/scan.o \
	src/ingest/signal.o \
	src/ingest/statements.o \
	src/ingest/taxonomy.o \
	src/ingest/validate_fields.o \
	src/ingest/validate_links.o \
	src/ingest/validate_lists.o

OBJS_transport = \
	src/transport/alert_config.o \
	src/transport/alert_severity.o \
	src/transport/alert_text.o \
	src/transport/cloudevent.o \
	src/transport/config_read.o \
	src/transport/credential.o \
	src/transport/crm_request.o \
	src/transport/dynamics.o \
	src/transport/dynamics_build.o \
	src/transport/dynamics_config.o \
	src/transport/dynamics_fetch.o \
	src/transport/dynamics_read.o \
	src/transport/exchange.o \
	src/transport/file.o \
	src/transport/guard.o \
	src/transport/guard_setting.o \
	src/transport/http.o \
	src/transport/http_answer.o \
	src/transport/http_call.o \
	src/transport/http_error.o \
	src/transport/http_sockets.o \
	src/transport/http_tls.o \
	src/transport/http_url.o \
	src/transport/jwt.o \
	src/transport/hubspot.o \
	src/transport/hubspot_build.o \
	src/transport/hubspot_config.o \
	src/transport/hubspot_error.o \
	src/transport/hubspot_fetch.o \
	src/transport/hubspot_limit.o \
	src/transport/hubspot_read.o \
	src/transport/multipart.o \
	src/transport/outcome.o \
	src/transport/pagerduty.o \
	src/transport/pem.o \
	src/transport/ping.o \
	src/transport/ratelimit.o \
	src/transport/preview.o \
	src/transport/record.o \
	src/transport/record_compare.o \
	src/transport/salesforce.o \
	src/transport/salesforce_build.o \
	src/transport/salesforce_config.o \
	src/transport/salesforce_error.o \
	src/transport/salesforce_fetch.o \
	src/transport/salesforce_read.o \
	src/transport/salesforce_refused.o \
	src/transport/secret.o \
	src/transport/secret_sql.o \
	src/transport/sign.o \
	src/transport/slack.o \
	src/transport/target.o \
	src/transport/teams.o \
	src/transport/tls.o \
	src/transport/trace.o \
	src/transport/token_obtain.o \
	src/transport/token_request.o \
	src/transport/token_store.o \
	src/transport/transport.o \
	src/transport/verify.o \
	src/transport/webhook.o \
	src/transport/webhook_batch.o \
	src/transport/webhook_config.o \
	src/transport/webhook_request.o \
	src/transport/webhook_results.o \
	src/transport/zendesk.o \
	src/transport/zendesk_build.o \
	src/transport/zendesk_config.o \
	src/transport/zendesk_fetch.o \
	src/transport/zendesk_follow.o \
	src/transport/zendesk_job.o \
	src/transport/zendesk_rate.o \
	src/transport/zendesk_read.o \
	src/transport/zendesk_ticket.o

OBJS_dispatch = \
	src/dispatch/absent.o \
	src/dispatch/alert.o \
	src/dispatch/alert_state.o \
	src/dispatch/batch.o \
	src/dispatch/breaker.o \
	src/dispatch/catch_up.o \
	src/dispatch/check.o \
	src/dispatch/checkpoint.o \
	src/dispatch/config.o \
	src/dispatch/cursor.o \
	src/dispatch/databases.o \
	src/dispatch/ddl.o \
	src/dispatch/destination.o \
	src/dispatch/dispatcher.o \
	src/dispatch/doubt.o \
	src/dispatch/feed.o \
	src/dispatch/feed_read.o \
	src/dispatch/follow.o \
	src/dispatch/guarded.o \
	src/dispatch/housekeeping.o \
	src/dispatch/item.o \
	src/dispatch/lag.o \
	src/dispatch/lane.o \
	src/dispatch/launcher.o \
	src/dispatch/outcome.o \
	src/dispatch/progress.o \
	src/dispatch/quota.o \
	src/dispatch/rate.o \
	src/dispatch/receipt.o \
	src/dispatch/receipt_write.o \
	src/dispatch/registry.o \
	src/dispatch/retry.o \
	src/dispatch/sender.o \
	src/dispatch/share.o \
	src/dispatch/slot.o \
	src/dispatch/standing.o \
	src/dispatch/status.o \
	src/dispatch/token.o \
	src/dispatch/token_task.o \
	src/dispatch/watchdog.o

OBJS = src/cxsig.o $(OBJS_base) $(OBJS_event) $(OBJS_ingest) $(OBJS_transport) $(OBJS_dispatch)

# The install script, in reading order. Numbers ascend; test/lint/house.py sees that none is missing.
INSTALL_SQL = \
	sql/install/00_header.sql \
	sql/install/10_roles.sql \
	sql/install/11_types.sql \
	sql/install/12_taxonomy_tables.sql \
	sql/install/13_log_tables.sql \
	sql/install/14_outbox_tables.sql \
	sql/install/15_destination_tables.sql \
	sql/install/16_alert_table.sql \
	sql/install/20_ingest.sql \
	sql/install/21_quarantine.sql \
	sql/install/22_taxonomy.sql \
	sql/install/30_views.sql \
	sql/install/31_history.sql \
	sql/install/32_alerts.sql \
	sql/install/40_options.sql \
	sql/install/40_worker.sql \
	sql/install/41_destinations.sql \
	sql/install/42_repair.sql \
	sql/install/43_maintain.sql \
	sql/install/44_retention.sql \
	sql/install/45_preview.sql \
	sql/install/46_verify.sql \
	sql/install/90_dump.sql \
	sql/install/91_grants.sql

DATA_built = cxsig--$(EXTVERSION).sql

# pg_regress, in the order they run. setup creates the extension that the others use.
REGRESS = \
	setup \
	projection \
	mapping \
	preview_payload \
	filter \
	views \
	repair \
	verify \
	alerts \
	ingest \
	bad_input \
	crm \
	idempotent \
	taxonomy \
	import \
	quarantine \
	stale \
	comments \
	catalog

TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

PG_CPPFLAGS = -I$(srcdir)/src -DCXSIG_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers \
	-MMD -MP
# Symbols are hidden by PGXS from 16 on; 15's headers do not mark what must stay visible, so there
# our calls to ourselves are bound when linking: no other extension can step in between.
SHLIB_LINK = -lcurl -lcrypto -Wl,-Bsymbolic

EXTRA_CLEAN = $(OBJS:.o=.d) $(wildcard cxsig--*.sql) results regression.diffs regression.out

# JIT inlining has nothing to gain here, and this way no clang is needed to build.
override with_llvm := no

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifeq ($(PGXS),)
$(error PostgreSQL's build files were not found through "$(PG_CONFIG)": run "make deps", or set PG_CONFIG=/path/to/pg_config)
endif
include $(PGXS)

cxsig--$(EXTVERSION).sql: $(addprefix $(srcdir)/,$(INSTALL_SQL)) $(srcdir)/Makefile
	cat $(filter %.sql,$^) >$@.tmp && mv $@.tmp $@

# The version is compiled in, and the lists and flags stand here.
$(OBJS): $(srcdir)/Makefile $(srcdir)/cxsig.control

# The TAP tests send to this receiver.
export CXSIG_SINK ?= $(CURDIR)/test/sink/sink
installcheck: sink
.PHONY: sink
sink:
	$(MAKE) -C $(srcdir)/test/sink

-include $(OBJS:.o=.d)
