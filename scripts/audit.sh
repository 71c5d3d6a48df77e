#!/usr/bin/env bash
# The audit's proof: on a stack of its own in data/audit, the journeys file through the edge and a generated history
# straight into Kafka (SEED, CLICKS: refunds, repeats, late clicks, refunds before their sale), both through the real
# processor and sinks; then `tributary audit` of each tenant, whose figures go to target/reports/audit.json. All of it
# is stopped at the end; KEEP=1 leaves it.
set -euo pipefail
cd "$(dirname "$0")/.."

tributary=${TRIBUTARY:?path of the tributary binary}
seed=${SEED:-1}
clicks=${CLICKS:-1000000}
rate=${RATE:-2500}
dir=data/audit
began=$SECONDS
pids=()

run() { "$tributary" --config $dir/tributary.toml --stack $dir/stack "$@"; }

finish() {
	[ "${KEEP:-0}" = 1 ] && { echo "left running, with its data: $dir"; return; }
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	"$tributary" stack down --dir $dir/stack >/dev/null || true
}

free_port() { # first free one from $1 on
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

await() { # role url
	for _ in $(seq 600); do
		if curl -fsS -o /dev/null "$2" 2>/dev/null; then return 0; fi
		sleep 0.1
	done
	echo "error: $1 did not become ready; the end of $dir/log/$1.log:" >&2
	tail -n 20 "$dir/log/$1.log" >&2
	return 1
}

if [ -d $dir/stack ]; then "$tributary" stack reset --yes --dir $dir/stack >/dev/null; fi
rm -rf $dir
mkdir -p $dir/log
trap finish EXIT
trap 'exit 130' INT TERM
echo "SEED=$seed CLICKS=$clicks; log files: $dir/log"

"$tributary" stack up --dir $dir/stack
edge_port=$(free_port 18080)
processor_port=$(free_port 19464)
sinks_port=$(free_port 19465)
cat > $dir/tributary.toml <<TOML
[kafka]
development = true

[edge]
listen = "127.0.0.1:$edge_port"
mac_keys = "$dir/secrets/mac-keys"

[processor]
state_dir = "$dir/processor"
metrics_listen = "127.0.0.1:$processor_port"

[sinks]
metrics_listen = "127.0.0.1:$sinks_port"
TOML
run secrets init --dir $dir/secrets
run topics create
run tables create
run catalog apply loadtest/demo/catalog.yaml --secrets $dir/secrets
run catalog apply loadtest/history/catalog.yaml --secrets $dir/secrets
for role in edge processor sinks; do
	"$tributary" --config $dir/tributary.toml --stack $dir/stack $role </dev/null >"$dir/log/$role.log" 2>&1 &
	pids+=($!)
done
await edge "http://127.0.0.1:$edge_port/health"
await processor "http://127.0.0.1:$processor_port/health"
await sinks "http://127.0.0.1:$sinks_port/health"

endpoint() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" $dir/stack/endpoints.json; }
clickhouse=$(endpoint clickhouse_http)
sql() { curl -fsS "$clickhouse/?database=tributary" --data-binary "$1"; }
figure() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$2" | head -n 1; }

run loadtest replay --data loadtest/data/journeys.csv --edge "http://127.0.0.1:$edge_port" --rate "$rate" --seed "$seed" \
	--api-key-file $dir/secrets/acme-server.key --out $dir/replay
run loadtest history --seed "$seed" --clicks "$clicks" --bootstrap "$(endpoint kafka_bootstrap)" --figures $dir/history.json

# All that was written is loaded, and nothing waits in front of the processor or the sinks any more, three times
# running.
waiting() { # records, or what is unknown
	local clicks events
	clicks=$(sql "SELECT count() FROM clicks WHERE tenant = 'history'") || return
	events=$(sql "SELECT count() FROM events WHERE tenant = 'history'") || return
	[ "$clicks" = "$(figure click_records $dir/history.json)" ] || { echo "$clicks clicks are loaded"; return; }
	[ "$events" = "$(figure event_records $dir/history.json)" ] || { echo "$events events are loaded"; return; }
	{ curl -fsS "http://127.0.0.1:$processor_port/metrics"; curl -fsS "http://127.0.0.1:$sinks_port/metrics"; } |
		awk '/^(processor_lag_records|sinks_lag)\{/ { lag += $2 } END { printf "%d\n", lag }'
}
quiet=0
last=
deadline=$((SECONDS + 900))
while [ $quiet -lt 3 ]; do
	[ $SECONDS -lt $deadline ] || { echo "error: still waiting after 15 min: $last" >&2; exit 1; }
	last=$(waiting) || last=unknown
	if [ "$last" = 0 ]; then quiet=$((quiet + 1)); else quiet=0; fi
	sleep 2
done
echo "all decided and loaded after $((SECONDS - began)) s"

status=0
for tenant in default history; do
	echo
	echo "== tenant $tenant"
	run audit --tenant $tenant --quiet 0s --figures $dir/audit-$tenant.json || status=1
done
# No figures: an audit did not come to its end.
[ -s $dir/audit-default.json ] && [ -s $dir/audit-history.json ] || exit 1
goals='{"differences_journeys": "== 0", "differences_history": "== 0", "clicks_journeys": "== 378209", "clicks_history": ">= '$clicks'"}'
clicks_journeys=$(sql "SELECT uniqExact(click_id) FROM clicks WHERE tenant = 'default'")
clicks_history=$(sql "SELECT uniqExact(click_id) FROM clicks WHERE tenant = 'history'")
if [ "$clicks_journeys" != 378209 ] || [ "$clicks_history" -lt "$clicks" ]; then status=1; fi
verdict=ok
[ $status = 0 ] || verdict=missed
figures="{\"differences_journeys\": $(figure found $dir/audit-default.json), \"differences_history\": $(figure found $dir/audit-history.json), \
\"clicks_journeys\": $clicks_journeys, \"clicks_history\": $clicks_history, \"seconds\": $((SECONDS - began)), \
\"journeys\": $(cat $dir/audit-default.json), \"history\": $(cat $dir/audit-history.json)}"
SEED=$seed scripts/report.sh audit "$verdict" "$figures" "$goals"
echo "report: target/reports/audit.json ($verdict), $((SECONDS - began)) s"
[ "$verdict" = ok ]
