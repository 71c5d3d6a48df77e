#!/usr/bin/env bash
# The processor's benchmark on a real broker: the peers' workload, the processor on one core and the broker on another,
# then Kafka Streams (FLINK=1: and Flink) on the same topics. What each set costs goes to target/reports.
#
#   PEERS=DIR        the peers [default: ../shared/peers]
#   SETS="a b c"     a: time-ordered journeys, b: random ones, c: as many conversions as clicks
#   CLICKS=, CONVERSIONS=   smaller or larger sets [default: the set's own, 10 M and 500 k, c: 1 M and 1 M]
#   PEER=0           only ours; figures of the peer from an earlier run of the same set are used again
#   FLINK=1          Flink too
#   KEEP=1           leave broker and topics for the next run, which then only measures; KEEP=0 ends and deletes them
#   WITH="processor.commit_interval=20ms ..."   settings of the processor
set -euo pipefail
cd "$(dirname "$0")/.."

tributary=${TRIBUTARY:?path of the tributary binary}
peers=${PEERS:-../shared/peers}
sets=${SETS:-a b c}
dir=${BENCH_DIR:-data/bench}
cache=${TRIBUTARY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tributary}
broker_core=0
processor_core=1

[ -d "$peers/generator" ] || { echo "error: no peers in $peers, which have the generator" >&2; exit 1; }
peers=$(cd "$peers" && pwd)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
export BUILD=${PEERS_BUILD:-$cache/peers}
tributary() { taskset -c $broker_core "$tributary" "$@"; }

# A JVM may be killed halfway; a built module is marked.
build_peers() { # modules
	[ -f "$BUILD/$1.built" ] && return
	echo "building the peers ($1)"
	MODULES=$1 "$peers/build.sh" "$BUILD"
	touch "$BUILD/$1.built"
}

finish() {
	if [ "${KEEP:-0}" = 1 ]; then
		echo "the broker still runs: KEEP=0 ends it and deletes $dir"
	else
		tributary stack reset --yes --dir "$dir/stack"
		rm -rf "$dir"
	fi
}

broker_up() {
	# Children inherit the core.
	tributary stack up --free-ports --dir "$dir/stack"
	bootstrap=$(sed -n 's/.*"kafka_bootstrap": *"\([^"]*\)".*/\1/p' "$dir/stack/endpoints.json")
	broker=$(cut -d' ' -f1 "$dir/stack/kafka/pid")
}

# The topics of a set, once per size.
preload() { # set
	local options=()
	[ -z "${CLICKS:-}" ] || options+=(--clicks "$CLICKS")
	[ -z "${CONVERSIONS:-}" ] || options+=(--conversions "$CONVERSIONS")
	if [ ! -f "$home/generated" ]; then
		echo "$1: generating"
		rm -rf "$home" && mkdir -p "$home"
		taskset -c $processor_core "$peers/generator/run.sh" "$1" --prefix "$topics.peers." --bootstrap "$bootstrap" \
			--manifest "$home/manifest.json" "${options[@]}"
		touch "$home/generated"
	fi
	if [ ! -f "$home/translated" ]; then
		echo "$1: translating"
		taskset -c $processor_core "$tributary" loadtest translate --bootstrap "$bootstrap" --prefix "$topics.ours." \
			--source "$topics.peers." --dir "$home"
		touch "$home/translated"
	fi
}

ours() { # set
	local with=()
	for setting in ${WITH:-}; do with+=(--with "$setting"); done
	rm -f "$home/figures.json"
	tributary loadtest processor --bootstrap "$bootstrap" --prefix "$topics.ours." --dir "$home" --name "$1" \
		--manifest "$home/manifest.json" --core $processor_core --broker-pid "$broker" "${with[@]}" || wrong=1
	rm -rf "$home/state"
}

figure() { # name file: of a RESULT line
	sed -n "s/^RESULT.* $1=\([0-9.]*\).*/\1/p" "$2"
}

peer() { # set peer readings name
	local application="$4$(date +%s)" log="$home/$2.log"
	echo "$1: $2"
	CPUS=$processor_core "$peers/$2/run.sh" --bootstrap "$bootstrap" --prefix "$topics.peers." --application "$application" \
		--state "$home/state" --broker-pid "$broker" "${@:5}" > "$log" 2>&1 || { tail -n 20 "$log"; wrong=1; return; }
	rm -rf "$home/state"
	"$peers/generator/verify.sh" --bootstrap "$bootstrap" --manifest "$home/manifest.json" --prefix "$topics.peers." \
		--out "$application." --application "$application" --semantics "$3" >> "$log" 2>&1 || { tail -n 20 "$log"; wrong=1; }
	grep '^RESULT' "$log"
	printf '{"%s_%s_records_per_s":%s,"%s_%s_cpu_s_per_million":%s,"%s_%s_peak_memory_mb":%s}\n' \
		"$1" "$4" "$(figure records_per_s "$log")" "$1" "$4" "$(figure cpu_s_per_million "$log")" \
		"$1" "$4" "$(figure peak_rss_mib "$log")" > "$home/$4.json"
}

value() { # name: of all figures so far
	printf '%s' "$figures" | tr ',' '\n' | sed -n "s/^\"$1\":\([0-9.]*\)$/\1/p"
}

wrong=0 missed=0 figures="" goals=""
add() { figures="$figures${figures:+,}$(sed 's/^{//; s/}$//' "$1")"; }

build_peers wire,generator,kafka-streams
trap finish EXIT
broker_up
for set in $sets; do
	topics="$set-${CLICKS:-full}-${CONVERSIONS:-full}"
	home="$dir/$topics"
	preload "$set"
	ours "$set"
	[ -f "$home/figures.json" ] && add "$home/figures.json"
	if [ "${PEER:-1}" = 1 ]; then
		peer "$set" kafka-streams arrival_order peer --commit-ms 100
	fi
	if [ "${FLINK:-0}" = 1 ]; then
		build_peers wire,generator,flink
		peer "$set" flink event_time flink --checkpoint-ms 1000 --changelog 1
		add "$home/flink.json"
	fi
	[ -f "$home/peer.json" ] || continue
	add "$home/peer.json"
	goal=0.25
	[ "$set" = c ] && goal=0.5
	ratio=$(awk -v ours="$(value "${set}_cpu_s_per_million")" -v peer="$(value "${set}_peer_cpu_s_per_million")" \
		'BEGIN { printf "%.3f", ours / peer }')
	figures="$figures,\"${set}_ratio\":$ratio"
	goals="$goals${goals:+,}\"${set}_ratio\":\"<= $goal\""
	echo "$set: $ratio of Kafka Streams' CPU, goal <= $goal"
	awk -v ratio="$ratio" -v goal=$goal 'BEGIN { exit !(ratio > goal) }' && missed=1
done
scripts/report.sh bench-processor "$([ $wrong$missed = 00 ] && echo ok || echo missed)" "{$figures}" "{$goals}"
cat target/reports/bench-processor.json
exit $wrong
