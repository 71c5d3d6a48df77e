#!/usr/bin/env bash
# The demo: servers, roles as processes of their own, the whole journeys file, verified. `start` begins with an empty
# installation in data/demo each time, so it can be stopped halfway and run again; `stop` stops all it started.
set -euo pipefail
cd "$(dirname "$0")/.."

command=${1:-start}
dir=data/demo
tributary=${TRIBUTARY:?path of the tributary binary}
seed=${SEED:-1}
rate=${RATE:-4000}
roles="edge processor sinks"

run() { "$tributary" --config $dir/tributary.toml --stack $dir/stack "$@"; }

# A recorded process is ours only while its start time is the recorded one: pids are used again.
started_at() { awk '{ sub(/^.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }
alive() { # role
	local pid start
	{ read -r pid start < "$dir/run/$1.pid"; } 2>/dev/null || return 1
	[ "$(started_at "$pid")" = "$start" ] && echo "$pid"
}

stop_roles() {
	local role pid
	for role in $roles; do
		pid=$(alive "$role") || continue
		kill "$pid" 2>/dev/null || true
		for _ in $(seq 100); do alive "$role" >/dev/null || break; sleep 0.1; done
		if pid=$(alive "$role"); then kill -9 "$pid" 2>/dev/null || true; fi
		rm -f "$dir/run/$role.pid"
	done
}

free_port() { # first free one from $1 on
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	[ "$port" = "$1" ] || echo "port $1 is taken, using $port" >&2
	echo "$port"
}

start_role() { # role
	setsid "$tributary" --config $dir/tributary.toml --stack $dir/stack "$1" </dev/null >"$dir/log/$1.log" 2>&1 &
	local pid=$!
	echo "$pid $(started_at $pid)" > "$dir/run/$1.pid"
}

await() { # role url
	for _ in $(seq 300); do
		if curl -fsS -o /dev/null "$2" 2>/dev/null; then return 0; fi
		alive "$1" >/dev/null || break
		sleep 0.1
	done
	echo "error: $1 did not become ready; the end of $dir/log/$1.log:" >&2
	tail -n 20 "$dir/log/$1.log" >&2
	return 1
}

if [ "$command" = stop ]; then
	stop_roles
	if [ -d $dir/stack ]; then "$tributary" stack down --dir $dir/stack; fi
	echo "stopped; the data is in $dir"
	exit 0
fi

if [ -d $dir ]; then
	echo "starting over in $dir (an earlier demo's data is deleted)"
	stop_roles
	if [ -d $dir/stack ]; then "$tributary" stack reset --yes --dir $dir/stack; fi
	rm -rf $dir
fi
mkdir -p $dir/run $dir/log
echo "log files: $dir/log"
trap 'echo; echo "stopped halfway; what was started still runs: make stop ends it, make demo starts over"; exit 130' INT

"$tributary" stack up --dir $dir/stack
edge_port=$(free_port 8080)
processor_port=$(free_port 9464)
sinks_port=$(free_port 9465)
cat > $dir/tributary.toml <<TOML
# The demo's configuration. One broker on one disk is no place for money: development = true says that it is known.
[kafka]
development = true

[edge]
listen = "127.0.0.1:$edge_port"
mac_keys = "$dir/secrets/mac-keys"
spool_dir = "$dir/spool"

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
for role in $roles; do start_role "$role"; done
await edge "http://127.0.0.1:$edge_port/health"
await processor "http://127.0.0.1:$processor_port/health"
await sinks "http://127.0.0.1:$sinks_port/health"

clickhouse=$(sed -n 's/.*"clickhouse_http": *"\([^"]*\)".*/\1/p' $dir/stack/endpoints.json)
run loadtest replay --data loadtest/data/journeys.csv --edge "http://127.0.0.1:$edge_port" --rate "$rate" --seed "$seed" \
	--api-key-file $dir/secrets/acme-server.key --clickhouse "$clickhouse" --out $dir/replay
run loadtest verify --out $dir/replay --clickhouse "$clickhouse" --whole-file --report target/reports/demo.json

cat <<TEXT

All of it is still running:
  a link to click   http://127.0.0.1:$edge_port/r/alpha-demo
  health, metrics   http://127.0.0.1:$edge_port/metrics   :$processor_port/metrics   :$sinks_port/metrics
  SQL               curl '$clickhouse' --data "SELECT * FROM tributary.publisher_balances FORMAT PrettyCompact"
  why was it paid?  curl '$clickhouse' --data "SELECT event_id, outcome, reason, arithmetic FROM tributary.conversions LIMIT 5 FORMAT Vertical"
  log files         $dir/log
Stop it with: make stop
TEXT
