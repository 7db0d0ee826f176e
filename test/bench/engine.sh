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

# compare WHAT BASELINE PERCENT: RATE and COST beside the baseline's "rate cost"; faster is no fault
compare() {
	local rate=${2% *} cost=${2#* }
	row "$1" "$RATE/s" "$((100 - $3)) % or better" "$(verdict "$RATE / $rate >= 1 - $3 / 100") ($(calc "$RATE / $rate" 2) of the baseline)"
	row "  the dispatcher's processor time for an event" "$COST us" "" "($(calc "$COST / $cost" 2) of the baseline)"
}

# spend COUNT COMMAND...: run it; COST is the dispatcher's microseconds for each of COUNT events.
spend() {
	local pid began n=$1
	shift
	pid=$(dispatcher)
	began=$(processor_time "$pid")
	"$@"
	COST=$(calc "($(processor_time "$pid") - $began) * 1000 / $n" 1)
}

# shallow COUNT: with a backlog of 1,000: as many events are waiting when sending starts, and as often
# as it takes to have COUNT of them. Sets RATE, from the first arrival to the last of each time.
shallow() {
	local done=0 us=0 first last
	while [ "$done" -lt "$1" ]; do
		pause flat
		fill 1000 100000
		forget_arrivals flat
		resume flat
		arrived flat 1000
		read -r first last < <(curl -fsS "$SINK_URL/stats?path=/in/flat" | jq -r '"\(.first_at_us) \(.last_at_us)"')
		us=$((us + last - first))
		done=$((done + 1000))
	done
	RATE=$(calc "$done / ($us / 1e6)")
}

# drain COUNT: resume, and wait for so many. Sets RATE.
drain() {
	forget_arrivals flat
	resume flat
	arrived flat "$1"
	RATE=$(rate_of flat)
}

# steady COUNT TICKETS: COUNT events of so many tickets, all there before sending starts.
steady() {
	pause flat
	fill "$1" "$2"
	settle
	spend "$1" drain "$1"
}

flat_destination() { destination flat "$SINK_URL/in/flat" "{\"concurrency\": $1, \"window\": $2}"; }

bench_flat() {
	local n=100000 base before deep_rate deep_cost
	part "flat: what must not change the rate (64 in flight, single-event signed webhooks)"
	flat_destination 64 4096
	shallow $((n / 2))
	before=$RATE
	pause flat
	fill "$deep" 100000
	settle
	spend "$n" drain "$n"
	deep_rate=$RATE
	deep_cost=$COST
	drop flat
	flat_destination 64 4096
	shallow $((n / 2))
	base=$(calc "($before + $RATE) / 2")
	row "a backlog of 1,000, again and again" "$base/s" "" "($before before, $RATE after)"
	steady "$n" 100000
	row "a backlog of $n" "$RATE/s" "" "$COST us of the dispatcher for an event"
	base="$base $COST"
	RATE=$deep_rate
	COST=$deep_cost
	compare "a backlog of $deep" "$base" 10
	bench_flat_horizon "$n"
	drop flat

	flat_destination 1 100000
	steady $((n / 5)) 1
	base="$RATE $COST"
	row "one lane (so one in flight)" "$RATE/s" "" "$COST us"
	steady "$n" 100000
	compare "100,000 lanes, one in flight" "$base" 20
	drop flat
}

# rounds KIND COUNT: four times COUNT events at once; appends to rates.KIND and costs.KIND.
rounds() {
	local _
	for _ in 1 2 3 4; do
		steady "$2" 15000
		echo "$RATE" >>"$WORKSPACE/tmp/rates.$1"
		echo "$COST" >>"$WORKSPACE/tmp/costs.$1"
	done
}

middle() { cat "$@" | median; }

# The machine's own speed changes by a third within minutes: medians of four, with four before and four
# after as the baseline.
bench_flat_horizon() {
	local n=$(($1 / 2)) at=$WORKSPACE/tmp base
	rounds free "$n"
	row "$n events at once, four times" "$(middle "$at/rates.free")/s" "" "$(middle "$at/costs.free") us"
	horizon_held "$n"
	rounds free "$n"
	row "  with four after it" "$(middle "$at/rates.free")/s" "" "($(sort -n "$at/rates.free" | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /')), $(middle "$at/costs.free") us"
	base="$(middle "$at/rates.free") $(middle "$at/costs.free")"
	RATE=$(middle "$at/rates.held")
	COST=$(middle "$at/costs.held")
	compare "the same, the xmin horizon held for $horizon s" "$base" 10
}

holds() {
	must "sessions that hold the horizon" "$(sql -c "select count(*) from pg_stat_activity where state = 'idle in transaction' and backend_xmin is not null")" 1
}

# A session holds the horizon while 500 events a second come and go, and then as many at once as before.
horizon_held() {
	local holder
	exec {HOLD}> >(exec psql -XAtq -d bench >/dev/null)
	holder=$!
	workspace_owns "$holder"
	echo "begin isolation level repeatable read; select count(*) from cxsig.driver;" >&"$HOLD"
	"$bench/pace" "$conninfo" 500 $((500 * horizon)) >/dev/null
	holds
	rounds held "$1"
	holds
	exec {HOLD}>&-
	workspace_disowns "$holder"
}

# pair KIND COUNT: COUNT events to two destinations at once, then 600 at 100 a second. Appends the rate
# (the slower one's) to rates.KIND, and both ends' times to paced.KIND and arrived.KIND.
pair() {
	local name n=$2 at=$WORKSPACE/tmp
	pause iso1
	pause iso2
	fill "$n" 15000
	settle
	forget_arrivals iso1
	forget_arrivals iso2
	sql -c "select cxsig.resume_destination('iso1'), cxsig.resume_destination('iso2')" >/dev/null
	for name in iso1 iso2; do
		arrived "$name" "$n"
		rate_of "$name"
		echo
	done | sort -n | head -1 >>"$at/rates.$1"
	forget_arrivals iso1
	"$bench/pace" "$conninfo" 100 600 >"$at/paced"
	arrived iso1 600
	curl -fsS "$SINK_URL/log?path=/in/iso1" | jq -r 'select(.status == 200) | "\(.id) \(.at_us)"' >"$at/arrived"
	cat "$at/paced" >>"$at/paced.$1"
	cat "$at/arrived" >>"$at/arrived.$1"
	p99 "$at/paced" "$at/arrived" 600 >>"$at/p99.$1"
}

# p99 PACED ARRIVED COUNT: ms from the return of COMMIT to arrival
p99() {
	local joined from_return
	sql -c "truncate bench.paced, bench.arrived" -c "copy bench.paced from stdin (delimiter ' ')" <"$1"
	sql -c "copy bench.arrived from stdin (delimiter ' ')" <"$2"
	IFS='|' read -r joined _ from_return _ < <(sql <"$bench/latency.sql")
	[ "$joined" = "$3" ] || return 1
	tr -d '{}' <<<"$from_return" | cut -d, -f3
}

# until_hanging CONDITION: on the number of requests that hang; 30 seconds at most
until_hanging() {
	local n
	for _ in $(seq 300); do
		n=$(SINK_URL=$hanging stat_of hangs in_flight)
		if [ "$(calc "($n $1) ? 1 : 0")" = 1 ]; then return; fi
		sleep 0.1
	done
	must "requests that hang" "$n" "$1"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# The two ways take turns, in the order A B B A: a machine that gets faster or slower as time goes by
# does so for both.
bench_isolated() {
	local n=25000 rounds=8 at=$WORKSPACE/tmp round kind alone beside ratio receiver hanging
	part "isolated: two destinations, alone and beside one that hangs, $rounds times by turns"
	destination iso1 "$SINK_URL/in/iso1" '{"concurrency": 16}'
	destination iso2 "$SINK_URL/in/iso2" '{"concurrency": 16}'
	# A receiver of its own, as whatever hangs is another's.
	receiver=$SINK_URL
	sink_start
	hanging=$SINK_URL
	behave hangs '"hang": 1'
	SINK_URL=$receiver
	destination hangs "$hanging/in/hangs" '{"concurrency": 1000, "total_timeout_ms": 3600000, "first_byte_timeout_ms": 3600000, "paused": true}'
	fill 3000 1000
	arrived iso1 3000
	for round in $(seq "$rounds"); do
		for kind in $([ $((round % 2)) = 1 ] && echo alone beside || echo beside alone); do
			if [ "$kind" = beside ]; then
				resume hangs
				until_hanging '>= 100'
			fi
			pair "$kind" "$n"
			if [ "$kind" = beside ]; then
				until_hanging '>= 100'
				pause hangs
				until_hanging '== 0'
			fi
		done
	done
	ratio=$(paste "$at/rates.alone" "$at/rates.beside" | awk '{ print $2 / $1 }' | median)
	row "alone: rate, median" "$(median <"$at/rates.alone")/s" "" "($(sort -n "$at/rates.alone" | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /'))"
	row "beside one that hangs: rate, median" "$(median <"$at/rates.beside")/s" "95 % or better" "$(verdict "$ratio >= 0.95") ($(calc "$ratio" 2), the median round)"
	ratio=$(paste "$at/p99.alone" "$at/p99.beside" | awk '{ print $2 / $1 }' | median)
	row "alone: p99, median" "$(median <"$at/p99.alone") ms" "" "($(sort -n "$at/p99.alone" | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /'))"
	row "beside one that hangs: p99, median" "$(median <"$at/p99.beside") ms" "alone / 0.95" "$(verdict "$ratio <= 1 / 0.95") ($(calc "$ratio" 2) times, the median round)"
	alone=$(p99 "$at/paced.alone" "$at/arrived.alone" $((rounds * 600)))
	beside=$(p99 "$at/paced.beside" "$at/arrived.beside" $((rounds * 600)))
	row "  all rounds together" "$beside ms" "" "alone $alone ms"
	for name in iso1 iso2 hangs; do drop "$name"; done
}

bench_outage() {
	local tickets=20000 events=200000 requests during newest
	part "outage: $events events of $tickets tickets while a destination with history = latest answers 503"
	behave outage '"status": 503'
	destination outage "$SINK_URL/in/outage" '{"concurrency": 64, "history": "latest"}'
	fill "$events" "$tickets"
	settle
	during=$(stat_of outage received)
	forget_arrivals outage
	behave outage '"status": 200'
	idle
	requests=$(stat_of outage received)
	newest=$(sql -c "select count(*) from cxsig.deliveries v cross join lateral
		(select h.head_event_id from cxsig.ticket_revision h where h.ticket_id = v.ticket_id order by h.ordinal desc limit 1) r
		where v.destination = 'outage' and v.outcome = 'delivered' and v.event_id = r.head_event_id")
	must "tickets whose newest revision was delivered" "$newest" "$tickets"
	must "order violations" "$(stat_of outage order_violations)" 0
	row "requests, once it answers again" "$requests" "tickets + 1 %" "$(verdict "$requests <= $tickets * 1.01") ($during while it did not)"
	drop outage
}

bench_batched() {
	local n=400000 rate
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
	must "signatures that do not fit" "$(stat_of batched signature_failures)" 0
	row "events a second" "$rate/s" "40,000 or better" "$(verdict "$rate >= 40000")"
	row "events a request" "$(calc "$n / $(stat_of batched requests)" 1)"
	drop batched
}
