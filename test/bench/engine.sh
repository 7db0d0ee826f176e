# engine.sh: what must not change the rate - the backlog, a held xmin horizon, the number of lanes, a
# neighbour that hangs - what an outage costs, and what batches bring. Sourced by run.
# shellcheck shell=bash disable=SC2154

pause() { sql -c "select cxsig.pause_destination('$1')" >/dev/null; }
forget_arrivals() { curl -fsS -o /dev/null -XPOST "$SINK_URL/reset?path=/in/$1"; }
behave() { curl -fsS -o /dev/null "$SINK_URL/behave" -d "{\"path\": \"/in/$1\", $2}"; }

# arrived NAME COUNT: wait for so many
arrived() { curl -fsS -o /dev/null "$SINK_URL/wait?path=/in/$1&ok=$2&timeout_ms=600000"; }

# rate_of NAME: arrivals a second so far, from the first to the last
rate_of() {
	local n first last
	read -r n first last < <(curl -fsS "$SINK_URL/stats?path=/in/$1" | jq -r '"\(.ok) \(.first_at_us) \(.last_at_us)"')
	calc "$n / (($last - $first) / 1e6)"
}

# within PERCENT A B: are they that close?
within() { verdict "abs($2 / $3 - 1) <= $1 / 100"; }

# compare WHAT RATE BASELINE PERCENT
compare() {
	row "$1" "$2/s" "within $4 %" "$(within "$4" "$2" "$3") ($(calc "$2 / $3" 2) of the baseline)"
}

# shallow COUNT: the rate with a backlog of 1,000: 1,000 events are waiting when sending starts, and
# as often as it takes to have COUNT of them. Sets RATE.
shallow() {
	local done=0 us=0 first last
	while [ "$done" -lt "$1" ]; do
		pause flat
		fill 1000 1000
		forget_arrivals flat
		resume flat
		arrived flat 1000
		read -r first last < <(curl -fsS "$SINK_URL/stats?path=/in/flat" | jq -r '"\(.first_at_us) \(.last_at_us)"')
		us=$((us + last - first))
		done=$((done + 1000))
	done
	RATE=$(calc "$done / ($us / 1e6)")
}

# steady COUNT TICKETS: the rate of COUNT events of so many tickets, all there before sending starts.
steady() {
	pause flat
	fill "$1" "$2"
	settle
	forget_arrivals flat
	resume flat
	arrived flat "$1"
	RATE=$(rate_of flat)
}

bench_flat() {
	local n=100000 before after base one
	part "flat: what must not change the rate (64 in flight, single-event signed webhooks)"
	destination flat "$SINK_URL/in/flat" '{"concurrency": 64}'
	shallow $((n / 2))
	before=$RATE
	pause flat
	fill "$deep" 100000
	settle
	forget_arrivals flat
	resume flat
	arrived flat "$n"
	after=$(rate_of flat)
	sql -c "select cxsig.drop_destination('flat')" >/dev/null
	destination flat "$SINK_URL/in/flat" '{"concurrency": 64}'
	shallow $((n / 2))
	base=$(calc "($before + $RATE) / 2")
	row "a backlog of 1,000" "$base/s" "" "($before before, $RATE after)"
	compare "a backlog of $deep" "$after" "$base" 10
	drop flat

	destination flat "$SINK_URL/in/flat" '{"concurrency": 64}'
	steady "$n" 15000
	base=$RATE
	horizon_held "$n"
	row "$n events at once" "$base/s"
	compare "the same, the xmin horizon held for $horizon s" "$RATE" "$base" 10
	drop flat

	destination flat "$SINK_URL/in/flat" '{"concurrency": 1}'
	steady $((n / 5)) 1
	one=$RATE
	steady "$n" 100000
	row "one lane (so one in flight)" "$one/s"
	compare "100,000 lanes, one in flight" "$RATE" "$one" 20
	drop flat
}

# A session holds the horizon while 500 events a second come and go, and then as many as before at once.
horizon_held() {
	local holder
	exec {HOLD}> >(exec psql -XAtq -d bench >/dev/null)
	holder=$!
	workspace_owns "$holder"
	echo "begin isolation level repeatable read; select count(*) from pg_class;" >&"$HOLD"
	"$bench/pace" "$conninfo" 500 $((500 * horizon)) >/dev/null
	steady "$1" 15000
	exec {HOLD}>&-
	workspace_disowns "$holder"
}

# pair: two destinations with N events each; sets RATE (the slower one's) and P99 (ms, commit to
# arrival at the first, at 50 a second).
pair() {
	local n=$1 name slowest=
	for name in iso1 iso2; do
		pause "$name"
	done
	fill "$n" 15000
	settle
	for name in iso1 iso2; do
		forget_arrivals "$name"
	done
	sql -c "select cxsig.resume_destination('iso1'), cxsig.resume_destination('iso2')" >/dev/null
	arrived iso1 "$n"
	arrived iso2 "$n"
	for name in iso1 iso2; do
		RATE=$(rate_of "$name")
		slowest=$(calc "${slowest:-$RATE} < $RATE ? ${slowest:-$RATE} : $RATE")
	done
	RATE=$slowest
	forget_arrivals iso1
	"$bench/pace" "$conninfo" 50 500 >"$WORKSPACE/tmp/paced"
	arrived iso1 500
	sql -c "truncate bench.paced, bench.arrived" -c "copy bench.paced from stdin (delimiter ' ')" <"$WORKSPACE/tmp/paced"
	curl -fsS "$SINK_URL/log?path=/in/iso1" | jq -r 'select(.status == 200) | "\(.id) \(.at_us)"' | sql -c "copy bench.arrived from stdin (delimiter ' ')"
	P99=$(sql <"$bench/latency.sql" | cut -d'|' -f3 | tr -d '{}' | cut -d, -f3)
}

bench_isolated() {
	local n=60000 alone_rate alone_p99
	part "isolated: two destinations, alone and beside one that hangs"
	destination iso1 "$SINK_URL/in/iso1" '{"concurrency": 16}'
	destination iso2 "$SINK_URL/in/iso2" '{"concurrency": 16}'
	pair "$n"
	alone_rate=$RATE
	alone_p99=$P99
	behave hangs '"hang": 1'
	destination hangs "$SINK_URL/in/hangs" '{"concurrency": 16, "total_timeout_ms": 600000, "first_byte_timeout_ms": 600000}'
	fill 1000 1000
	arrived iso1 500
	pair "$n"
	row "alone: rate, p99" "$alone_rate/s" "" "$alone_p99 ms"
	row "beside one that hangs: rate" "$RATE/s" "95 % or better" "$(verdict "$RATE / $alone_rate >= 0.95") ($(calc "$RATE / $alone_rate" 2))"
	row "  p99" "$P99 ms" "" "$(calc "$P99 / $alone_p99" 2) times"
	must "requests at the one that hangs, without an answer" "$(stat_of hangs ok)" 0
	for name in iso1 iso2 hangs; do drop "$name"; done
}

bench_outage() {
	local tickets=20000 events=200000 requests
	part "outage: $events events of $tickets tickets while a destination with history = latest answers 503"
	behave outage '"status": 503'
	destination outage "$SINK_URL/in/outage" '{"concurrency": 64, "history": "latest"}'
	fill "$events" "$tickets"
	settle
	forget_arrivals outage
	behave outage '"status": 200'
	idle
	requests=$(stat_of outage received)
	must "tickets whose newest revision arrived" "$(stat_of outage distinct_keys)" "$tickets"
	must "order violations" "$(stat_of outage order_violations)" 0
	row "requests, once it answers again" "$requests" "tickets + 1 %" "$(verdict "$requests <= $tickets * 1.01")"
	drop outage
}

bench_batched() {
	local n=400000 rate before after mean
	part "batched: $n events, 100 a request, CloudEvents batched, signed"
	destination batched "$SINK_URL/in/batched" '{"concurrency": 16, "batch_size": 100, "window": 20000, "paused": true}' '"format": "cloudevents_batch"'
	fill "$n" 50000
	settle
	resume batched
	idle
	rate=$(rate_of batched)
	must "delivered" "$(stat_of batched distinct_ok)" "$n"
	must "order violations" "$(stat_of batched order_violations)" 0
	must "repeats" "$(stat_of batched repeats)" 0
	row "events a second" "$rate/s" "40,000 or better" "$(verdict "$rate >= 40000")"
	row "events a request" "$(calc "$n / $(stat_of batched requests)" 1)"
	drop batched
}
