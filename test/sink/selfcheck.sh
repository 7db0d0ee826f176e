#!/bin/bash
# Proves that the sink sees what is wrong: a receiver that cannot fail proves nothing.
# Needs curl and openssl. Runs in seconds; the last line is "N passed, N failed".

here=$(cd "$(dirname "$0")" && pwd)
sink=$here/sink
dir=$(mktemp -d)
passed=0
failed=0
started=()
base_main='' base_small='' base_tls='' base_mutual='' # set by start
pid_main='' pid_small=''

# stopped <pid>: ends it and waits for it.
stopped() {
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}
cleanup() {
	local pid
	for pid in "${started[@]}"; do
		stopped "$pid"
	done
	rm -rf "$dir"
}
trap cleanup EXIT

# is <what> <got> <wanted>
is() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'not ok: %s\n    got:    %s\n    wanted: %s\n' "$1" "$2" "$3"
	fi
}

# start <name> [options]: sets pid_<name> and base_<name>.
start() {
	local name=$1 fd line
	shift
	exec {fd}< <(exec "$sink" --port-file "$dir/$name.port" "$@" 2>"$dir/$name.err")
	eval "pid_$name=$!"
	started+=("$!")
	read -r line <&"$fd"
	is "$name says its port" "$line" "port $(cat "$dir/$name.port")"
	eval "base_$name=127.0.0.1:${line#port }"
}

# answer <path and query> <body> [curl options]: the status it gets, 000 for none.
answer() {
	local url=$1 body=$2
	shift 2
	curl -s -o /dev/null -w '%{http_code}' -m 10 "$@" --data-binary "$body" "$base_main$url"
}

# event <id> <key> <version> [more data members]
event() {
	printf '{"specversion":"1.0","id":"%s","source":"/s","type":"signal.updated",' "$1"
	printf '"time":"2025-11-24T16:00:00.5Z","data":{"ticket_id":"%s","version":%s%s}}' "$2" "$3" "$4"
}

# stat <path> <counter>
stat() {
	curl -s "$base_main/stats?path=$1" | sed -n "s/.*\"$2\":\\([0-9]*\\).*/\\1/p"
}

control() {
	curl -s -o /dev/null -w '%{http_code}' --data-binary "$2" "$base_main$1"
}

key_a=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
secret_a=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
key_b=202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
secret_b=whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=

# signature <hex key> <id> <timestamp> <body>
signature() {
	printf 'v1,%s' "$(printf '%s.%s.%s' "$2" "$3" "$4" |
		openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -binary | base64)"
}

# signed <path> <id> <timestamp> <body> <signature>
signed() {
	answer "$1" "$4" -H "webhook-id: $2" -H "webhook-timestamp: $3" -H "webhook-signature: $5"
}

start main
now=$(date +%s)

# --- signatures
vector='{"type":"cx.signal.v1","timestamp":"2025-11-24T16:00:00.000Z","data":{"event_id":"evt_0001","ticket_id":"T-42","account_id":"A-7","sentiment":"negative","churn_risk":0.82,"effort":4,"version":3}}'
vector_signature='v1,fCVsGvhtHi7aA5tdzdfTGF38cMyDQlAwJJBuYPIYmOo='
is 'the published vector is what this check signs with' \
	"$(signature $key_a msg_cxsig_0001 1764000000 "$vector")" "$vector_signature"
is 'a secret can be set' "$(control /secret "{\"path\":\"/in/sig\",\"secrets\":[\"$secret_a\"]}")" 200
is 'a bad secret is refused' "$(control /secret '{"path":"/in/sig","secrets":["whsec_nope"]}')" 400
is 'the vector is right but old' \
	"$(signed /in/sig msg_cxsig_0001 1764000000 "$vector" "$vector_signature")" 401
is 'old is in the log as old' \
	"$(curl -s "$base_main/log?path=/in/sig" | grep -c '"signature":"old"')" 1
body=$(event s1 T-1 1)
good=$(signature $key_a s1 "$now" "$body")
is 'a right signature passes' "$(signed /in/sig s1 "$now" "$body" "$good")" 200
is 'a right one among others passes' \
	"$(signed /in/sig s1 "$now" "$body" "v1a,abc v1,AAAA $good")" 200
is 'a changed body is seen' "$(signed /in/sig s1 "$now" "$body " "$good")" 401
is 'a changed id is seen' "$(signed /in/sig s2 "$now" "$body" "$good")" 401
is 'a changed timestamp is seen' "$(signed /in/sig s1 "$((now - 1))" "$body" "$good")" 401
other=$(signature $key_b s1 "$now" "$body")
is 'another secret is seen' "$(signed /in/sig s1 "$now" "$body" "$other")" 401
is 'no signature is seen' "$(answer /in/sig "$body")" 401
is 'signature_ok counts' "$(stat /in/sig signature_ok)" 2
is 'signature_failures counts' "$(stat /in/sig signature_failures)" 5
is 'unsigned counts' "$(stat /in/sig unsigned)" 1
control /secret "{\"path\":\"/in/sig\",\"secrets\":[\"$secret_b\",\"$secret_a\"]}" >/dev/null
is 'with two secrets the old one passes' "$(signed /in/sig s1 "$now" "$body" "$good")" 200
is 'and the new one' "$(signed /in/sig s1 "$now" "$body" "$other")" 200

# --- order, repeats, changed bodies
for v in 1 2 5; do
	answer /in/order "$(event "o$v" T-1 "$v")" >/dev/null
done
answer /in/order "$(event p1 T-2 1)" >/dev/null
is 'in order is no violation' "$(stat /in/order order_violations)" 0
answer /in/order "$(event o1 T-1 1)" >/dev/null
is 'a repeat is no violation' "$(stat /in/order order_violations)" 0
is 'a repeat counts' "$(stat /in/order repeats)" 1
answer /in/order "$(event o4 T-1 4)" >/dev/null
is 'an older version is a violation' "$(stat /in/order order_violations)" 1
answer /in/order "$(event o5b T-1 5)" >/dev/null
is 'so is the same version of another event' "$(stat /in/order order_violations)" 2
answer /in/order "$(event o3 T-1 3 ',"stale":true')" >/dev/null
is 'a stale one is not' "$(stat /in/order order_violations)" 2
is 'stale counts' "$(stat /in/order stale)" 1
is 'the first violation is named' "$(curl -s "$base_main/stats?path=/in/order" |
	grep -c '"first_violation":{"key":"T-1","id":"o4","version":4,"after":5')" 1
answer '/in/failed?status=503' "$(event f2 T-1 2)" >/dev/null
answer /in/failed "$(event f1 T-1 1)" >/dev/null
is 'what was answered 503 has not arrived' "$(stat /in/failed order_violations)" 0
answer /in/failed "$(event f2 T-1 2)" >/dev/null
is 'nor is its second attempt a repeat' "$(stat /in/failed repeats)" 0
answer /in/body "$(event b1 T-1 1)" >/dev/null
answer /in/body "$(event b1 T-1 2)" >/dev/null
is 'another body for an id is seen' "$(stat /in/body body_mismatch)" 1
answer /in/ident "$(event i1 T-1 1)" -H 'Idempotency-Key: "i1"' >/dev/null
answer /in/ident "$(event i1 T-1 1)" -H 'Idempotency-Key: "i1"' >/dev/null
is 'the same idempotency key is fine' "$(stat /in/ident identity_mismatch)" 0
answer /in/ident "$(event i1 T-1 1)" -H 'Idempotency-Key: "i2"' >/dev/null
is 'another one is seen' "$(stat /in/ident identity_mismatch)" 1
answer /in/lane?delay_ms=10000 "$(event l1 T-1 1)" >/dev/null &
slow=$!
curl -s "$base_main/wait?path=/in/lane&received=1" >/dev/null
is 'a slow one is in flight' "$(stat /in/lane in_flight)" 1
answer /in/lane "$(event k1 T-2 1)" >/dev/null
is 'another key does not overlap' "$(stat /in/lane overlaps)" 0
answer /in/lane "$(event l2 T-1 2)" >/dev/null
is 'two events of a key at once are seen' "$(stat /in/lane overlaps)" 1
is 'max_in_flight counts' "$(stat /in/lane max_in_flight)" 2
stopped $slow
answer '/in/gone?hang=1' "$(event g1 T-1 1)" -m 0.2 >/dev/null
answer /in/gone "$(event g2 T-1 2)" >/dev/null
is 'unless the first one was given up' "$(stat /in/gone overlaps)" 0

# --- ways to write an event
answer /in/plain "$vector" >/dev/null
answer /in/plain '{"event_id":"flat","ticket_id":"T-9","version":7}' -H 'traceparent: 00-aa-bb-01' \
	>/dev/null
answer /in/plain '{"version":3,"id":"not-it"}' -H 'ce-id: bin' -H 'ce-subject: T-8' \
	-H 'Content-Type: application/json' >/dev/null
answer /in/plain '{"id":"esc","data":{"ticket_id":"T-\u00e9\"\\","version":"0012"}} ' >/dev/null
answer /in/plain "[$(event x1 T-5 1), $(event x2 T-5 2)]" >/dev/null
log=$(curl -s "$base_main/log?path=/in/plain")
is 'plain, with data' "$(grep -c '"key":"T-42","version":3,"id":"evt_0001"' <<<"$log")" 1
is 'its time' "$(grep -c '"time_us":1764000000000000' <<<"$log")" 1
is 'plain, flat' "$(grep -c '"key":"T-9","version":7,"id":"flat"' <<<"$log")" 1
is 'the trace is kept' "$(grep -c '"traceparent":"00-aa-bb-01"' <<<"$log")" 1
is 'binary' "$(grep -c '"key":"T-8","version":3,"id":"bin"' <<<"$log")" 1
is 'escapes' "$(grep -cF '"key":"T-é\"\\","version":12,"id":"esc"' <<<"$log")" 1
is 'a batch is its events' "$(grep -c '"key":"T-5","version":[12],"id":"x[12]"' <<<"$log")" 2
is 'the log goes on from a number' \
	"$(curl -s "$base_main/log?path=/in/plain&after=5" | grep -c '"id":"x2"')" 1
for body in '' 'x' '{"id":"a"' '{"id":"a"}}' '{"id" "a"}' '{"id":nil}' '[1]' '"x"'; do
	is "malformed: $body" "$(answer /in/bad "$body")" 400
done
is 'malformed counts' "$(stat /in/bad malformed)" 8
is 'what has no version is counted' "$(answer /in/none '{"id":"n"}')$(stat /in/none unkeyed)" 2001
pad=$(head -c 5000000 /dev/zero | tr '\0' y)
event big T-1 1 ",\"pad\":\"$pad\"" >"$dir/big"
is 'a body of 5 MB passes' "$(answer /in/big "@$dir/big")" 200
is 'in chunks too' "$(answer /in/big "@$dir/big" -H 'Transfer-Encoding: chunked')" 200
is 'and is the same body' "$(stat /in/big repeats)$(stat /in/big body_mismatch)" 10
event huge T-1 1 ",\"pad\":\"$pad$pad$pad$pad\"" >"$dir/huge"
is 'one over 16 MB does not' "$(answer /in/big "@$dir/huge")" 413

# --- connections
curl -s -m 10 -o /dev/null --data-binary "$(event c1 T-1 1)" "$base_main/in/kept" \
	--next -s -o /dev/null --data-binary "$(event c2 T-1 2)" "$base_main/in/kept"
is 'a connection that is kept counts once' "$(stat /in/kept requests)$(stat /in/kept connections)" 21
answer /in/kept "$(event c3 T-1 3)" >/dev/null
is 'and another once more' "$(stat /in/kept connections)" 2

# --- batches
batch_type='Content-Type: application/cloudevents-batch+json; charset=UTF-8'
two="[$(event x1 T-1 1),$(event x2 T-2 2)]"
is 'a batch of CloudEvents' "$(answer /in/batch "$two" -H "$batch_type")" 200
is 'an array of plain JSON' "$(answer /in/batch \
	'[{"id":"y1","type":"t","timestamp":"2025-11-24T16:00:00Z","data":{"ticket_id":"T-3","version":1}}]' \
	-H 'Content-Type: application/json')" 200
is 'an array of none' "$(answer /in/batch '[]' -H "$batch_type")" 200
is 'events are counted' "$(stat /in/batch received)$(stat /in/batch distinct_ok)" 33
is 'and requests' "$(stat /in/batch requests)$(stat /in/batch max_batch)" 32
is 'and bytes' "$(stat /in/batch max_body_bytes)" ${#two}
is 'one event is no batch' "$(answer /in/batch "$(event x1 T-1 1)" -H "$batch_type")" 400
is 'a batch is not one event' \
	"$(answer /in/batch "$two" -H 'Content-Type: application/cloudevents+json')" 400
for lacks in specversion id source type; do
	is "no CloudEvent without $lacks" \
		"$(answer /in/batch "${two/\"$lacks\"/\"x\"}" -H "$batch_type")" 400
done
is 'nor with another version' "$(answer /in/batch "${two/1.0/0.3}" -H "$batch_type")" 400
is 'a broken array' "$(answer /in/batch "${two%]}" -H "$batch_type")" 400
control /secret "{\"path\":\"/in/sigs\",\"secrets\":[\"$secret_a\"]}" >/dev/null
is 'a signed batch' "$(signed /in/sigs b1 "$now" "$two" "$(signature $key_a b1 "$now" "$two")")" 200
is 'its bytes changed' "$(signed /in/sigs b1 "$now" "$two " "$(signature $key_a b1 "$now" "$two")")" 401
is 'both counted for each event' "$(stat /in/sigs signature_ok)$(stat /in/sigs signature_failures)" 22
is 'in the log one by one' "$(curl -s "$base_main/log?path=/in/sigs" | grep -c '"status":200')" 2
answer /in/named "$two" -H 'webhook-id: b1' -H 'Idempotency-Key: b1' >/dev/null
answer /in/named "$two" -H 'webhook-id: b1' -H 'Idempotency-Key: b1' >/dev/null
answer /in/named "[$(event x1 T-1 1)]" -H 'webhook-id: b2' -H 'Idempotency-Key: b2' >/dev/null
is 'a batch sent twice, and a part of it, is fine' "$(stat /in/named identity_mismatch)" 0
is 'their events are repeats' "$(stat /in/named repeats)" 3
answer /in/named "$two" -H 'webhook-id: b3' -H 'Idempotency-Key: b3' >/dev/null
is 'another name for a batch is seen' "$(stat /in/named identity_mismatch)" 1
answer /in/named "[$(event x2 T-2 2)]" -H 'webhook-id: b1' -H 'Idempotency-Key: b1' >/dev/null
is 'another batch of that name is seen' "$(stat /in/named identity_mismatch)" 2
answer /in/lanes "$two" >/dev/null
is 'a batch of two keys is no overlap' "$(stat /in/lanes overlaps)" 0
answer /in/lanes "[$(event x3 T-3 3),$(event x4 T-3 4)]" >/dev/null
is 'two events of a key in a batch are' "$(stat /in/lanes overlaps)" 1
answer '/in/lanes?delay_ms=10000' "[$(event z1 T-8 1),$(event z2 T-9 1)]" >/dev/null &
slow=$!
curl -s "$base_main/wait?path=/in/lanes&received=6" >/dev/null
answer /in/lanes "[$(event z3 T-7 1),$(event z4 T-9 2)]" >/dev/null
is 'and one while another batch holds its key' "$(stat /in/lanes overlaps)" 2
stopped $slow
is 'one event is refused: so is its batch' "$(answer '/in/whole?poison_key=T-2' "$two")" 422
is 'all of it' "$(stat /in/whole refused)$(stat /in/whole ok)" 20
is 'with results each has its own' "$(curl -s -d "$two" \
	"$base_main/in/each?poison_key=T-2&results=1" -w ' %{http_code}')" \
	'{"results":[{"id":"x1","status":200,"remote_id":"r-x1"},{"id":"x2","status":422,"error":"status 422, as set for this path"}]} 207'
is 'and is counted so' "$(stat /in/each refused)$(stat /in/each ok)" 11
is 'fail_first counts by event' \
	"$(for i in 1 2; do curl -s -d "$two" "$base_main/in/each2?fail_first=1&status=503&results=1"; done |
		grep -o '"status":[0-9]*' | tr -d '\n')" \
	'"status":503"status":503"status":200"status":200'
answer '/in/each?fail_key=T-2&close=1&results=1' "$two" >/dev/null
is 'what is no status is the whole batch'"'"'s' $? 52

# --- ways to answer
is 'status' "$(answer '/in/b?status=429&retry_after=2' "$(event a T-1 1)")" 429
is 'Retry-After' "$(curl -s -D - -o /dev/null -d "$(event a T-1 1)" \
	"$base_main/in/b?status=429&retry_after=2" | grep -ci '^retry-after: 2')" 1
got=
for i in 1 2 3 4; do got+=$(answer '/in/first?fail_first=3&status=503' "$(event a T-1 1)")' '; done
is 'fail_first fails the first attempts of an id' "$got" '503 503 503 200 '
is 'of each id' "$(answer '/in/first?fail_first=3' "$(event b T-1 2)")" 500
is 'fail_key: the key' "$(answer '/in/k?fail_key=T-42' "$(event a T-42 1)")" 500
is 'fail_key: another' "$(answer '/in/k?fail_key=T-42' "$(event b T-41 1)")" 200
is 'poison_key' "$(answer '/in/k?poison_key=T-13' "$(event c T-13 1)")" 422
rates=()
for path in r1 r2; do
	got=
	for i in $(seq 40); do got+=$(answer "/in/$path?fail_rate=0.5&seed=7" "$(event "e$i" T-1 "$i")"); done
	rates+=("$got")
done
is 'fail_rate fails the same attempts each time' "${rates[0]}" "${rates[1]}"
n=$(grep -o 500 <<<"${rates[0]}" | wc -l)
is 'and some of them' "$([ "$n" -gt 8 ] && [ "$n" -lt 32 ] && echo some)" some
answer '/in/x?hang=1' "$(event a T-1 1)" -m 0.3 >/dev/null
is 'hang gives no answer' $? 28
answer '/in/x?close=1' "$(event b T-1 1)" >/dev/null
is 'close gives an empty one' $? 52
answer '/in/x?garbage=1' "$(event c T-1 1)" >/dev/null
is 'garbage is no HTTP' "$(case $? in 1 | 8 | 56) echo none ;; esac)" none
is 'all three count as unanswered' "$(stat /in/x unanswered)" 3
is 'redirect' "$(curl -s -o /dev/null -w '%{http_code} %{redirect_url}' -d "$(event a T-1 1)" \
	"$base_main/in/y?redirect=http%3A%2F%2F127.0.0.1%3A9%2F")" '307 http://127.0.0.1:9/'
is 'body_bytes' "$(curl -s -d "$(event b T-1 2)" "$base_main/in/y?body_bytes=30000000" | wc -c)" 30000000
curl -s -m 0.3 -d "$(event c T-1 3)" "$base_main/in/y?slow_bytes=10" >"$dir/slow"
is 'slow_bytes outlasts the sender' $? 28
n=$(wc -c <"$dir/slow")
is 'slow_bytes sends some' "$([ "$n" -gt 3 ] && [ "$n" -lt 40 ] && echo some)" some
is 'slow_bytes comes to its end' \
	"$(curl -s -d "$(event d T-1 4)" "$base_main/in/y?slow_bytes=1&body_bytes=20")" "$(printf 'x%.0s' {1..20})"
curl -s -m 10 -o "$dir/cut" -d "$(event e T-1 5)" "$base_main/in/y?reset_after=700"
is 'reset_after resets' $? 56
is 'in the middle of the body' "$(wc -c <"$dir/cut")" 700
is 'body_text' "$(curl -s -d "$(event f T-1 6)" "$base_main/in/y?body_text=%7B%22id%22%3A")" '{"id":'
quota='/in/quota?quota_limit=3&quota_used=1&quota_reset=7'
is 'quota: what is left' "$(curl -s -D - -o /dev/null -d "$(event q1 T-1 1)" "$base_main$quota" |
	grep -i '^x-ratelimit' | tr -d '\r' | cut -d: -f2 | tr -d '\n')" ' 3 1 7'
is 'quota: the last of it' "$(answer "$quota" "$(event q2 T-1 2)")" 200
is 'quota: used up' "$(answer "$quota" "$(event q3 T-1 3)")" 429
is 'retry_after_in' "$(curl -s -D - -o /dev/null -d "$(event a T-1 1)" \
	"$base_main/in/b?status=503&retry_after_in=2" | grep -ciE '^retry-after: [A-Z][a-z]{2}, [0-9]{2} .* GMT')" 1
before=$(date +%s%N)
answer '/in/z?delay_ms=200' "$(event a T-1 1)" >/dev/null
is 'delay_ms waits' "$([ $(($(date +%s%N) - before)) -ge 200000000 ] && echo yes)" yes
is 'a misspelt setting is refused' "$(answer '/in/z?dealy_ms=1' "$(event b T-1 2)")" 400
is 'and said' "$(grep -c 'dealy_ms: no such setting' "$dir/main.err")" 1
is 'behave' "$(control /behave '{"path":"/in/z","status":503}')" 200
is 'behave overrides the query string' "$(answer '/in/z?status=201' "$(event c T-1 3)")" 503
control /behave '{"path":"/in/z"}' >/dev/null
is 'behave with nothing is well-behaved' "$(answer '/in/z?status=201' "$(event c T-1 3)")" 200
control /behave '{"path":"/in/z","from_url":true}' >/dev/null
is 'from_url goes back to it' "$(answer '/in/z?status=201' "$(event c T-1 3)")" 201
is 'behave refuses what it does not know' "$(control /behave '{"path":"/in/z","stat":503}')" 400

# --- waiting, loss, reset, limits
is 'wait gives up' "$(curl -s -o /dev/null -w '%{http_code}' \
	"$base_main/wait?path=/in/w&ok=1&timeout_ms=50")" 408
curl -s -o "$dir/wait" -w '%{http_code}' "$base_main/wait?path=/in/w&ok=2&timeout_ms=9000" >"$dir/code" &
waiter=$!
answer /in/w "$(event w1 T-1 1)" >/dev/null
answer /in/w "$(event w2 T-1 2)" >/dev/null
wait $waiter
is 'wait sees them come' "$(cat "$dir/code")" 200
answer '/in/w?status=500' "$(event w3 T-1 3)" >/dev/null
is 'missing names what did not arrive' \
	"$(printf 'w1\nw2\nw3\nw4\n' | curl -s --data-binary @- "$base_main/missing?path=/in/w")" \
	'{"asked":4,"missing":2,"others":0,"examples":["w3","w4"]}'
is 'and what arrived unasked' \
	"$(printf 'w1\n' | curl -s --data-binary @- "$base_main/missing?path=/in/w")" \
	'{"asked":1,"missing":0,"others":1,"examples":[]}'
is 'reset' "$(control '/reset?path=/in/w' '')$(stat /in/w received)$(stat /in/order stale)" 20001
is 'GET is no delivery' "$(curl -s -o /dev/null -w '%{http_code}' "$base_main/in/w")" 405
start small --max-records 2 --secret "/in/m=$secret_a"
for i in 1 2 3; do
	curl -s -o /dev/null -d "$(event "m$i" T-1 "$i")" "$base_small/in/n"
done
is 'over the limit is counted' "$(curl -s "$base_small/stats?path=/in/n" | grep -c '"unrecorded":1,"records":2')" 1
is 'and said' "$(grep -c 'max-records' "$dir/small.err")" 1
is '--secret works' "$(curl -s -o /dev/null -w '%{http_code}' -d "$(event m T-1 1)" "$base_small/in/m")" 401

# --- TLS, and the end
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
	-subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
	-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
start tls --cert "$dir/cert.pem" --key "$dir/key.pem"
is 'TLS' "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$dir/cert.pem" \
	-d "$(event t T-1 1)" "https://$base_tls/in/t")" 200
start mutual --cert "$dir/cert.pem" --key "$dir/key.pem" --client-ca "$dir/cert.pem" --tls-version 1.2
# mutual [curl options]: the status a client gets, 000 where the handshake fails
mutual() {
	curl -s -o /dev/null -w '%{http_code}' --cacert "$dir/cert.pem" -d "$(event t T-1 1)" "$@" \
		"https://$base_mutual/in/t"
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
	-subj /CN=stranger -keyout "$dir/key2.pem" -out "$dir/cert2.pem" 2>/dev/null
is 'without a client certificate nobody is let in' "$(mutual)" 000
is 'with one of another CA neither' "$(mutual --cert "$dir/cert2.pem" --key "$dir/key2.pem")" 000
is 'with the right one' "$(mutual --cert "$dir/cert.pem" --key "$dir/key.pem")" 200
is 'the version is the only one' \
	"$(mutual --cert "$dir/cert.pem" --key "$dir/key.pem" --tlsv1.3)" 000
curl -s -m 10 -o /dev/null -d "$(event h T-1 1)" "$base_small/in/h?hang=1" &
hanging=$!
curl -s -m 10 -o /dev/null "$base_small/wait?path=/in/never&ok=1" &
polling=$!
curl -s "$base_small/wait?path=/in/h&received=1" >/dev/null
is 'quit answers' "$(curl -s -X POST "$base_small/quit")" '{"done":true}'
wait "$pid_small"
is 'quit ends it well, hanging requests and all' $? 0
wait $hanging $polling
kill -TERM "$pid_main"
wait "$pid_main"
is 'so does SIGTERM' $? 0

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
