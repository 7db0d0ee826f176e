# basic.sh: how fast one destination is served, how fast signals come in, what it takes of memory.
# Sourced by run.
# shellcheck shell=bash disable=SC2154

# capture_start COUNT FILE: a receiver that keeps COUNT bodies. Sets CAPTURE_URL, CAPTURE_PID.
capture_start() {
	local line
	exec {CAPTURE_OUT}< <(exec "$bench/capture.pl" "$@")
	CAPTURE_PID=$!
	workspace_owns "$CAPTURE_PID"
	read -r -t 10 line <&"$CAPTURE_OUT" || cluster_die "the capturing receiver did not start"
	CAPTURE_URL=http://127.0.0.1:${line#port }/
}

# capture_end: sets CAPTURED to "requests header-bytes body-bytes"
capture_end() {
	read -r -t 60 CAPTURED <&"$CAPTURE_OUT" || cluster_die "the requests to capture did not come"
	workspace_disowns "$CAPTURE_PID"
	exec {CAPTURE_OUT}<&-
}

# Bodies as they really go out, for the baseline; and how large a request of each is.
capture_bodies() {
	local count=$((events < 2000 ? events : 2000)) _ ours_head ours_body bare_head bare_body
	capture_start "$count" "$WORKSPACE/tmp/bodies"
	destination capture "$CAPTURE_URL" '{}'
	fill "$count" 15000
	capture_end
	read -r _ ours_head ours_body <<<"$CAPTURED"
	idle
	drop capture
	capture_start "$count" /dev/null
	"$bench/bare_post" -c 1 -n "$count" -b "$WORKSPACE/tmp/bodies" "$CAPTURE_URL" >/dev/null
	capture_end
	read -r _ bare_head bare_body <<<"$CAPTURED"
	must "bytes of a body that the baseline posts" "$bare_body" "$ours_body"
	request_bytes="bytes of headers + body: cxsig $ours_head + $ours_body, bare loop $bare_head + $bare_body"
}

# bare: requests a second of the bare loop
bare() {
	curl -fsS -o /dev/null -XPOST "$SINK_URL/reset?path=/in/bare"
	"$bench/bare_post" -c 64 -n "$events" -b "$WORKSPACE/tmp/bodies" "$SINK_URL/in/bare" | awk '{ print $3 }'
}

bench_delivery() {
	local before after mean rate locked pid began ended n=$events
	part "delivery: $n single-event signed webhooks, ordered per ticket, 64 in flight"
	capture_bodies
	destination delivery "$SINK_URL/in/delivery" '{"concurrency": 64, "paused": true}'
	fill "$n" $((n / 10))
	settle
	before=$(bare)
	pid=$(dispatcher)
	began=$(processor_time "$pid")
	resume delivery
	idle
	ended=$(processor_time "$pid")
	after=$(bare)
	mean=$(calc "($before + $after) / 2")
	rate=$(calc "$n / (($(stat_of delivery last_at_us) - $(stat_of delivery first_at_us)) / 1e6)")
	must "delivered" "$(stat_of delivery distinct_ok)" "$n"
	must "signatures verified" "$(stat_of delivery signature_ok)" "$n"
	must "order violations" "$(stat_of delivery order_violations)" 0
	must "overlaps in a lane" "$(stat_of delivery overlaps)" 0
	must "repeats" "$(stat_of delivery repeats)" 0
	must "receipts" "$(sql -c "select count(*) from cxsig.delivery v join cxsig.destination d using (destination_id) where d.name = 'delivery' and v.outcome = 'delivered'")" "$n"
	locked=$("$bench/skip_locked" -c 64 -n $((n < 20000 ? n : 20000)) "$conninfo" "$SINK_URL/in/locked" | awk '{ print $3 }')
	row "cxsig" "$rate/s"
	row "a bare libcurl loop, the same bodies" "$mean/s" "" "($before before, $after after)"
	row "ratio" "$(calc "$rate / $mean" 2)" "0.5 or better" "$(verdict "$rate / $mean >= 0.5")"
	if [ "$(calc "abs($before - $after) / $mean * 100")" -gt 10 ]; then
		say "  the bare loop's two runs differ by more than a tenth: something else keeps this machine busy"
	fi
	row "64 connections, SKIP LOCKED, post, update" "$locked/s" "less than cxsig" "$(verdict "$locked < $rate")"
	row "the dispatcher's processor time for an event" "$(calc "($ended - $began) * 1000 / $n" 1) us"
	say "  $request_bytes"
	drop delivery
}

# latency_row WHAT {p50,p95,p99,max}
latency_row() {
	local p50 p95 p99 max
	IFS=', ' read -r p50 p95 p99 max <<<"$(tr -d '{}' <<<"$2")"
	row "$1: p50" "$p50 ms" "under 2 ms" "$(verdict "$p50 < 2")"
	row "  p99" "$p99 ms" "under 10 ms" "$(verdict "$p99 < 10")"
	row "  p95, max" "$p95, $max ms"
}

bench_latency() {
	local n=1000 joined from_commit from_return flush
	part "latency: 50 events a second for 20 s, a transaction each, commit to arrival"
	destination latency "$SINK_URL/in/latency" '{}'
	fill 10 10
	idle
	settle
	curl -fsS -o /dev/null -XPOST "$SINK_URL/reset?path=/in/latency"
	"$bench/pace" "$conninfo" 50 "$n" >"$WORKSPACE/tmp/paced"
	idle
	must "arrived" "$(stat_of latency distinct_ok)" "$n"
	must "order violations" "$(stat_of latency order_violations)" 0
	sql -c "copy bench.paced from stdin (delimiter ' ')" <"$WORKSPACE/tmp/paced"
	curl -fsS "$SINK_URL/log?path=/in/latency" | jq -r 'select(.status == 200) | "\(.id) \(.at_us)"' | sql -c "copy bench.arrived from stdin (delimiter ' ')"
	IFS='|' read -r joined from_commit from_return flush < <(sql <"$bench/latency.sql")
	must "events seen at both ends" "$joined" "$n"
	latency_row "from COMMIT's return to the client" "$from_return"
	latency_row "from the commit's timestamp, flush included" "$from_commit"
	row "the flush alone: p50" "$flush ms"
	drop latency
}

# transactions SCRIPT: "count rate" of a run of pgbench. A client that gave up spoils the rate.
transactions() {
	local log=$WORKSPACE/tmp/pgbench
	pgbench -n -c 8 -j 2 -M prepared -T "$seconds" -f "$bench/$1" bench >"$log" 2>&1 || {
		cat "$log" >&2
		return 1
	}
	sed -nE 's/^number of transactions actually processed: ([0-9]+).*/\1/p; s/^tps = ([0-9.]+).*/\1/p' "$log" | tr '\n' ' '
}

bench_ingest() {
	local bare=0 ours=0 recorded=0 count rate had
	part "ingest: a transaction for each signal, 8 clients, $seconds s each, twice in turn"
	had=$(sql -c 'select count(*) from cxsig.event')
	for _ in 1 2; do
		settle
		rate=$(transactions two_inserts.sql)
		bare=$(calc "$bare + ${rate#* } / 2")
		settle
		rate=$(transactions ingest.sql)
		count=${rate%% *}
		recorded=$((recorded + count))
		ours=$(calc "$ours + ${rate#* } / 2")
	done
	must "recorded" "$(($(sql -c 'select count(*) from cxsig.event') - had))" "$recorded"
	row "cxsig.ingest()" "$ours/s"
	row "two bare INSERTs of the same signal" "$bare/s"
	row "ratio" "$(calc "$ours / $bare" 2)" "0.5 or better" "$(verdict "$ours / $bare >= 0.5")"
}

bench_batch() {
	local recorded rate result
	part "ingest_batch: batches of 1,000 on one connection, a transaction each, $batch_seconds s"
	settle
	result=$(sql -c "call bench.fill(100000000, $batch_seconds, 15000)")
	IFS='|' read -r recorded rate <<<"$result"
	row "cxsig.ingest_batch()" "$rate/s" "20,000 or better" "$(verdict "$rate >= 20000")"
	row "  of events" "$recorded"
}

# memory_of COUNT: the dispatcher's memory while COUNT destinations work on the backlog, at its peak
memory_of() {
	local pid anon peak=0 contexts most=0 left
	pid=$(dispatcher)
	for _ in {1..20}; do
		anon=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status")
		contexts=$(sql -c "select memory_bytes from cxsig._worker_slots() where pid = $pid")
		peak=$((anon > peak ? anon : peak))
		most=$((contexts > most ? contexts : most))
		sleep 0.25
	done
	left=$(sql -c "select min(c.behind) from (select (select last_value from cxsig.outbox_position) - max(high) as behind
		from cxsig.checkpoint join cxsig.destination using (destination_id) where state = 'active' group by destination_id) c")
	row "private memory, destinations: $1" "$(calc "$peak / 1024" 1) MB" "under 64 MB" "$(verdict "$peak / 1024 < 64")"
	row "  of that in its memory contexts" "$(calc "$most / 1048576" 1) MB" "" "($left events not read yet)"
}

bench_memory() {
	local i
	part "memory: a backlog of $backlog events at slow receivers, 64 in flight each"
	for i in 1 2 3; do
		destination "slow$i" "$SINK_URL/in/slow$i" '{"concurrency": 64, "paused": true}'
		curl -fsS -o /dev/null "$SINK_URL/behave" -d "{\"path\": \"/in/slow$i\", \"delay_ms\": 50}"
	done
	fill "$backlog" 50000
	settle
	resume slow1
	curl -fsS -o /dev/null "$SINK_URL/wait?path=/in/slow1&ok=2000&timeout_ms=60000"
	memory_of 1
	resume slow2
	resume slow3
	curl -fsS -o /dev/null "$SINK_URL/wait?path=/in/slow3&ok=2000&timeout_ms=60000"
	memory_of 3
	for i in 1 2 3; do
		must "order violations at slow$i" "$(stat_of "slow$i" order_violations)" 0
		drop "slow$i"
	done
}
