# crm.sh: records a second to one CRM that takes 100 ms for each answer, and the calls that takes, of
# which a CRM allows so many a day. Sourced by run.
# shellcheck shell=bash disable=SC2154

# remote_start: the stand-ins of the remote APIs (test/remote). Sets REMOTE_URL.
remote_start() {
	local file=$WORKSPACE/tmp/remote.port pid
	command -v "${CXSIG_NODE:-node}" >/dev/null || cluster_die "the stand-ins need node: run \"make deps\", or set CXSIG_NODE"
	setsid "${CXSIG_NODE:-node}" "$CXSIG_REPO/test/remote/server.js" --port-file "$file" </dev/null &
	pid=$!
	workspace_owns "$pid"
	for _ in {1..100}; do
		if [ -e "$file" ]; then break; fi
		kill -0 "$pid" || cluster_die "the stand-ins did not start"
		sleep 0.1
	done
	REMOTE_URL=http://127.0.0.1:$(cat "$file")
}

# remote API VERB [JSON]: a control call
remote() { curl -fsS "$REMOTE_URL/_control/$1/$2" ${3:+-d "$3"}; }

# crm NAME CONFIG MAPPING SECRET REMOTE: a paused destination, and its stand-in
crm() {
	remote "$1" config "{\"delay_ms\": 100, \"capture\": 0, $5}" >/dev/null
	sql -c "select cxsig.create_destination('$1', '$1', '{\"url\": \"$REMOTE_URL/$1\", $2}', '{\"paused\": true, \"concurrency\": 10, \"mapping\": $3}')" \
		-c "select cxsig.set_secret('$1', $4)" >/dev/null
}

# crm_rate NAME BATCH EVENTS FIELD: all that waits, from the order to send to the last receipt
crm_rate() {
	local name=$1 size=$2 n=$3 began rate calls least pid spent
	pid=$(dispatcher)
	spent=$(processor_time "$pid")
	began=$EPOCHREALTIME
	resume "$name"
	idle
	rate=$(calc "$n / ($EPOCHREALTIME - $began)")
	spent=$(($(processor_time "$pid") - spent))
	calls=$(remote "$name" counters | jq '[.requests.upsert[]] | add')
	least=$(calc "$n / $size")
	must "$name: records made" "$(remote "$name" counters | jq .records.created)" "$n"
	must "$name: records written twice" "$(remote "$name" "repeats?field=$4" | jq .total)" 0
	must "$name: receipts with the record's id" "$(sql -c "select count(distinct remote_id) from cxsig.deliveries where destination = '$name' and outcome = 'delivered'")" "$n"
	row "$name, $size a call: records" "$rate/s" "5,000 or better" "$(verdict "$rate >= 5000")"
	row "  calls" "$calls" "$least + 5 %" "$(verdict "$calls <= $least * 1.05")"
	row "  the dispatcher's processor time for a record" "$(calc "$spent * 1000 / $n" 1) us" "" "(in flight at most $(remote "$name" counters | jq .in_flight_max))"
	drop "$name"
}

bench_crm() {
	local n=100000
	part "crm: $n records to a CRM that answers in 100 ms, 10 in flight"
	remote_start
	crm salesforce '"auth": {"flow": "client_credentials", "client_id": "bench"}, "object": "CX_Signal__c", "external_id": {"field": "Ticket_Key__c"}' \
		'{"Sentiment__c": "$.sentiment", "Churn_Risk__c": {"$path": "$.churn_risk", "$map": {"high": "High"}, "$else": "Unknown"},
			"Driver__c": "$.driver", "Confidence__c": "$.confidence", "Version__c": "$.version", "Occurred_At__c": "$.occurred_at",
			"Evidence__c": "$.evidence_url", "Account_Key__c": "$.account_id", "Source__c": "cxsig"}' \
		"'client_secret', 's3cret'" \
		'"auth": {"clients": {"bench": "s3cret"}}, "limits": {"daily_max": 10000000}'
	crm hubspot '"auth": {"flow": "bearer"}, "object_type": "tickets", "external_id": {"field": "cxsig_ticket_key"}' \
		'{"cxsig_sentiment": "$.sentiment", "cxsig_churn_risk": "$.churn_risk", "cxsig_driver": "$.driver",
			"cxsig_confidence": "$.confidence", "cxsig_version": "$.version", "cxsig_occurred_at": "$.occurred_at",
			"cxsig_evidence_url": "$.evidence_url", "cxsig_account_key": "$.account_id", "cxsig_source": "cxsig"}' \
		"'token', 'pat-bench'" \
		'"auth": {"static_tokens": ["pat-bench"]}, "limits": {"window_max": 0, "daily_max": 10000000}'
	fill "$n" "$n"
	settle
	crm_rate salesforce 200 "$n" Version__c
	crm_rate hubspot 100 "$n" cxsig_version
}
