#!/usr/bin/env bash
# demo.sh: a helpdesk's export becomes signed, ordered, receipted webhook deliveries, on a private
# throw-away server and a private receiver. Ends with checks; exits 1 if one of them fails.
#
# KEEP=1 leaves server and receiver running. LIVE_SECONDS=10 is how long the live part lasts.
# Called by make demo, which builds what it needs.
set -euo pipefail

# shellcheck source=test/lib/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/cluster.sh"
cd "$CXSIG_REPO"
demo=test/demo
data=test/data
live_seconds=${LIVE_SECONDS:-10}
live_rate=100

say() { printf '%5.1fs  %s\n' "$(elapsed)" "$*"; }
heading() { printf '\n== %s\n\n' "$*"; }

elapsed() {
	local now=${EPOCHREALTIME/[.,]/}
	printf '%d.%d' $(((now - started_at) / 1000000)) $(((now - started_at) / 100000 % 10))
}

# Run SQL of a file or of -c in the demo's database; quiet, and an error ends the demo.
sql() { as_server_user psql -X -q -v ON_ERROR_STOP=1 -d helpdesk "$@"; }
value() { sql -At -c "$1"; }

# A figure of the receiver for one path.
receiver() { curl -sS --max-time 20 "$SINK_URL$1"; }

make_destinations() {
	local name secret
	sql -v sink="$SINK_URL" <"$demo/destinations.sql" >/dev/null
	for name in crm bi ops; do
		secret=whsec_$(head -c 32 /dev/urandom | base64 -w 0)
		curl -sS -o /dev/null -H 'Content-Type: application/json' "$SINK_URL/secret" \
			-d "{\"path\": \"/in/$name\", \"secrets\": [\"$secret\"]}"
		sql -v name="$name" -v secret="$secret" >/dev/null <<<"select cxsig.set_secret(:'name', 'signing', :'secret')"
	done
}

# The export is of last year: marked as backfill, it is counted apart from what is live.
load_csv() {
	local columns
	columns=$(head -n 1 "$data/helpdesk_export.csv"),backfill
	as_server_user psql -X -d helpdesk -c "copy cxsig.signal_import ($columns) from stdin csv header" \
		< <(sed '1s/$/,backfill/; 1!s/$/,true/' "$data/helpdesk_export.csv") >"$WORKSPACE/log/copy.txt" 2>&1 || { cat "$WORKSPACE/log/copy.txt" >&2; return 1; }
	copied=$(sed -n 's/^COPY //p' "$WORKSPACE/log/copy.txt")
	sed -n 's/^NOTICE: */        /p' "$WORKSPACE/log/copy.txt"
}

load_jsonl() {
	sql -c "copy demo.line (file, line) from stdin csv quote e'\x01' delimiter e'\x02'" \
		< <(sed $'s/^/helpdesk_export.jsonl\x02/' "$data/helpdesk_export.jsonl")
	sql <"$demo/load_jsonl.sql" >/dev/null
}

# Signals one by one, a transaction each, about $live_rate a second.
live_signals() {
	local clients=4 status=0 pid
	sql -c "copy demo.line (file, line) from stdin csv quote e'\x01' delimiter e'\x02'" \
		< <(sed $'s/^/live_signals.jsonl\x02/' "$data/live_signals.jsonl")
	sql <"$demo/live_begin.sql" >/dev/null
	server_exec pgbench -n -f - -U helpdesk_app -c $clients -j 1 -R $live_rate \
		-t $((live_seconds * live_rate / clients)) helpdesk \
		<"$demo/live.sql" >"$WORKSPACE/log/pgbench.txt" 2>&1 &
	pid=$!
	workspace_owns "$pid"
	show_progress "$pid"
	wait "$pid" || status=$?
	workspace_disowns "$pid"
	if [ "$status" -ne 0 ]; then
		tail -n 10 "$WORKSPACE/log/pgbench.txt" >&2
		return 1
	fi
}

# While process $1 lives: what has arrived, about twice a second, on changes only.
show_progress() {
	local line last=
	while kill -0 "$1" 2>/dev/null; do
		line=$(value "$(cat "$demo/progress.sql")")
		if [ "$line" != "$last" ]; then
			say "$line"
			last=$line
		fi
		timeout 1 tail --pid="$1" -f /dev/null || true
	done
}

wait_idle() {
	local pid status=0
	value "select cxsig.wait_until_idle('60 s')" >"$WORKSPACE/log/idle.txt" &
	pid=$!
	show_progress "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 0 ] && [ "$(cat "$WORKSPACE/log/idle.txt")" = t ]
}

# What the receiver counted goes into a table beside what the database says.
fetch_figures() {
	sql -v stats="$(receiver /stats)" >/dev/null <<<"update demo.receiver set stats = :'stats'"
	sql -c 'copy demo.expected from stdin csv header' <"$data/expected.csv"
	sql -v copied="$copied" <"$demo/figures.sql"
}

leave_running() {
	KEEP_WORKSPACE=yes
	echo "$SINK_PID" >"$WORKSPACE/receiver.pid"
	heading "left running"
	echo "connect:   $PGBIN/psql -h $PGHOST -p $PGPORT -U postgres helpdesk"
	echo "receiver:  curl $SINK_URL/stats"
	echo "stop:      $demo/stop $WORKSPACE"
}

started_at=${EPOCHREALTIME/[.,]/}
say "a private server and a receiver, in a directory of their own"
workspace_make demo
cluster_start demo
sink_start
as_server_user createdb helpdesk
sql <"$demo/setup.sql" >/dev/null
say "set up: PostgreSQL on port $PGPORT, receiver at $SINK_URL"
make_destinations
sql <"$data/taxonomy.sql" >/dev/null
sql -c 'copy demo.account from stdin csv header' <"$data/accounts.csv"
sql <"$demo/accounts.sql" >/dev/null
say "three destinations, signed: crm (newest revision of each ticket), bi (everything), ops (churn risk high)"
say "80 accounts and a taxonomy of 16 tags; now COPY cxsig.signal_import FROM helpdesk_export.csv"
load_csv
say "now cxsig.ingest_batch(), 200 lines of helpdesk_export.jsonl at a time"
load_jsonl
wait_idle || { say "not idle after a minute"; sql -c 'select * from cxsig.destination_status'; exit 1; }
say "caught up; now $live_rate signals a second, a transaction each, for $live_seconds s"
live_signals
wait_idle || { say "not idle after a minute"; sql -c 'select * from cxsig.destination_status'; exit 1; }
say "caught up"
fetch_figures
sql <"$demo/summary.sql"
failed=$(value 'select count(*) from demo.checks where not ok')
if [ "$failed" -ne 0 ]; then
	heading "the server's log ends"
	tail -n 20 "$WORKSPACE/log/demo.log"
fi
heading "to try next"
if [ -z "${KEEP:-}" ]; then
	echo "  KEEP=1 make demo          (leaves it running, and says how to connect)"
fi
cat "$demo/next.txt"
if [ -n "${KEEP:-}" ]; then leave_running; fi
echo
if [ "$failed" -ne 0 ]; then
	say "$failed checks FAILED"
	exit 1
fi
say "all checks passed"
