#!/usr/bin/env bash
# The processor's benchmark on a real broker: the peers' workload, the processor on one core and the broker on another,
# then Kafka Streams (FLINK=1: and Flink) on the same topics. What each set costs goes to target/reports.
#
#   PEERS=DIR        the peers [default: ../shared/peers]; without them only ours is measured, on a workload made here
#   SETS="a b c"     a: time-ordered journeys, b: random ones, c: as many conversions as clicks
#   CLICKS=, CONVERSIONS=   smaller or larger sets [default: the set's own, 10 M and 500 k, c: 1 M and 1 M]
#   PEER=0           only ours; figures of the peer from an earlier run of the same set are used again
#   FLINK=1          Flink too
#   KEEP=1           leave broker and topics for the next run, which then only measures; KEEP=0 ends and deletes them
#   WITH="processor.commit_interval=20ms ..."   settings of the processor
#   LATENCY=1        event to decision at 20 % and 80 % of set a's speed; on where no size is given
#   GROWTH=1         the cost of a record at 1, 10 and 50 M clicks of state: 20 GB and an hour; on where no size is given
#   PEERS_BUILD=DIR  where the peers are built [default: in the cache of the servers]; delete it when they change
set -euo pipefail
cd "$(dirname "$0")/.."

tributary=${TRIBUTARY:?path of the tributary binary}
peers=${PEERS:-../shared/peers}
sets=${SETS:-a b c}
dir=${BENCH_DIR:-data/bench}
cache=${TRIBUTARY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tributary}
full=$([ -z "${CLICKS:-}${CONVERSIONS:-}" ] && echo 1 || echo 0)
broker_core=0
processor_core=1

peer=${PEER:-1}
if [ -d "$peers/generator" ]; then
	peers=$(cd "$peers" && pwd)
else
	[ -z "${PEERS:-}" ] || { echo "error: no peers in $peers" >&2; exit 1; }
	echo "no peers in $peers: measures only ours, on the same workload made by tributary"
	peers="" peer=0
fi
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

# The topics of a set, once per size: their prefixes are in $peers_prefix and $ours_prefix, all else in the folder $home.
# Each attempt has prefixes of its own, which are noted when it is complete: what was stopped halfway is never used.
preload() { # set clicks conversions
	local options=() attempt
	home="$dir/$1-${2:-full}-${3:-full}${peers:+-peers}"
	mkdir -p "$home"
	attempt="$1-${2:-full}-${3:-full}-$(date +%s)"
	[ -z "$2" ] || options+=(--clicks "$2")
	[ -z "$3" ] || options+=(--conversions "$3")
	if [ -z "$peers" ]; then
		if [ ! -f "$home/translated" ]; then
			taskset -c $processor_core "$tributary" loadtest generate "$1" --bootstrap "$bootstrap" --prefix "$attempt.ours." \
				--dir "$home" --manifest "$home/manifest.json" "${options[@]}"
			echo "$attempt.ours." > "$home/translated"
		fi
		ours_prefix=$(cat "$home/translated")
		return
	fi
	if [ ! -f "$home/generated" ]; then
		echo "$1: generating"
		taskset -c $processor_core "$peers/generator/run.sh" "$1" --prefix "$attempt.peers." --bootstrap "$bootstrap" \
			--manifest "$home/manifest.json" "${options[@]}"
		echo "$attempt.peers." > "$home/generated"
	fi
	peers_prefix=$(cat "$home/generated")
	if [ ! -f "$home/translated" ]; then
		echo "$1: translating"
		taskset -c $processor_core "$tributary" loadtest translate --bootstrap "$bootstrap" --prefix "$attempt.ours." \
			--source "$peers_prefix" --dir "$home"
		echo "$attempt.ours." > "$home/translated"
	fi
	ours_prefix=$(cat "$home/translated")
}

with=()
for setting in ${WITH:-}; do with+=(--with "$setting"); done

# One run of ours on the set that was preloaded last, with its figures added.
ours() { # name, more options
	rm -f "$home/figures.json"
	tributary loadtest processor --bootstrap "$bootstrap" --prefix "$ours_prefix" --dir "$home" --name "$1" \
		--manifest "$home/manifest.json" --core $processor_core --broker-pid "$broker" "${with[@]}" "${@:2}" || wrong=1
	rm -rf "$home/state"
	[ ! -f "$home/figures.json" ] || add "$home/figures.json"
}

figure() { # name file: of a RESULT line
	sed -n "s/^RESULT.* $1=\([0-9.]*\).*/\1/p" "$2"
}

peer() { # set peer readings name
	local application="$4$(date +%s)" log="$home/$2.log"
	echo "$1: $2"
	CPUS=$processor_core "$peers/$2/run.sh" --bootstrap "$bootstrap" --prefix "$peers_prefix" --application "$application" \
		--state "$home/state" --broker-pid "$broker" "${@:5}" > "$log" 2>&1 || { tail -n 20 "$log"; wrong=1; return; }
	rm -rf "$home/state"
	"$peers/generator/verify.sh" --bootstrap "$bootstrap" --manifest "$home/manifest.json" --prefix "$peers_prefix" \
		--out "$application." --application "$application" --semantics "$3" >> "$log" 2>&1 || { tail -n 20 "$log"; wrong=1; }
	grep '^RESULT' "$log"
	printf '{"%s_%s_records_per_s":%s,"%s_%s_cpu_s_per_million":%s,"%s_%s_peak_memory_mb":%s}\n' \
		"$1" "$4" "$(figure records_per_s "$log")" "$1" "$4" "$(figure cpu_s_per_million "$log")" \
		"$1" "$4" "$(awk -v mib="$(figure peak_rss_mib "$log")" 'BEGIN { printf "%.1f", mib * 1.048576 }')" > "$home/$4.json"
}

value() { # name: of all figures so far
	printf '%s' "$figures" | tr ',' '\n' | sed -n "s/^\"$1\":\([0-9.]*\)$/\1/p"
}

wrong=0 missed=0 figures="" goals=""
add() { figures="$figures${figures:+,}$(sed 's/^{//; s/}$//' "$1")"; }

[ -z "$peers" ] || build_peers wire,generator,kafka-streams
trap finish EXIT
broker_up
for set in $sets; do
	preload "$set" "${CLICKS:-}" "${CONVERSIONS:-}"
	ours "$set"
	if [ "$peer" = 1 ]; then
		peer "$set" kafka-streams arrival_order peer --commit-ms 100
	fi
	if [ "$peer" = 1 ] && [ "${FLINK:-0}" = 1 ]; then
		build_peers wire,generator,flink
		peer "$set" flink event_time flink --checkpoint-ms 1000 --changelog 1
		add "$home/flink.json"
	fi
	[ -f "$home/peer.json" ] && add "$home/peer.json"
	# Without one of the two there is no ratio.
	[ -f "$home/peer.json" ] && [ -f "$home/figures.json" ] || continue
	goal=0.25
	[ "$set" = c ] && goal=0.5
	ratio=$(awk -v ours="$(value "${set}_cpu_s_per_million")" -v peer="$(value "${set}_peer_cpu_s_per_million")" \
		'BEGIN { printf "%.3f", ours / peer }')
	figures="$figures,\"${set}_ratio\":$ratio"
	goals="$goals${goals:+,}\"${set}_ratio\":\"<= $goal\""
	echo "$set: $ratio of Kafka Streams' CPU, goal <= $goal"
	awk -v ratio="$ratio" -v goal=$goal 'BEGIN { exit !(ratio > goal) }' && missed=1
done
if [ "${LATENCY:-$full}" = 1 ]; then
	preload a "${CLICKS:-}" "${CONVERSIONS:-}"
	capacity=$(value a_records_per_s | cut -d. -f1)
	[ -n "$capacity" ] || { echo "error: LATENCY=1 needs set a among SETS" >&2; exit 1; }
	echo "latency at 20 % and 80 % of $capacity records/s"
	rm -f "$home/latency/latency.json"
	# 60 % of the set are there before; the rest must last for both steps.
	records=$(value a_records)
	seconds=$(awk -v left="$((records * 4 / 10))" -v rate="$capacity" 'BEGIN { s = int(left / rate * 0.95); print (s > 60 ? 60 : s) }')
	# Not pinned: its producer beside the broker on one core would keep the broker from answering.
	"$tributary" loadtest latency --bootstrap "$bootstrap" --from "$ours_prefix" --prefix "${ours_prefix%ours.}latency." --dir "$home/latency" \
		--warm $((records * 6 / 10)) --capacity "$capacity" --seconds "$seconds" --core $processor_core "${with[@]}" || wrong=1
	if [ -f "$home/latency/latency.json" ]; then
		add "$home/latency/latency.json"
		goals="$goals${goals:+,}\"latency_80_p99_ms\":\"< 150\""
		awk -v p99="$(value latency_80_p99_ms)" 'BEGIN { exit !(p99 >= 150) }' && missed=1
	fi
fi
if [ "${GROWTH:-$full}" = 1 ]; then
	clicks=${GROWTH_CLICKS:-50000000}
	preload a "$clicks" "$((clicks / 20))"
	ours growth --growth $((clicks / 50)) --growth $((clicks / 5)) --growth "$clicks"
fi
scripts/report.sh bench-processor "$([ $wrong$missed = 00 ] && echo ok || echo missed)" "{$figures}" "{$goals}"
cat target/reports/bench-processor.json
exit $wrong
