#!/usr/bin/env bash
# The edge's benchmark: this edge, bare nginx and other collectors, each on a core of its own, one after the other in
# every round, on one real broker. What a request costs goes to target/reports/bench-edge.json.
#
#   PEERS=DIR        the peers [default: ../shared/peers/edge]; without them the edge and nginx are measured
#   ONLY=go,rust     which of them; a peer that cannot be started (no Go, no JDK) is left out and named in the report
#   ROUNDS=5 SECONDS_EACH=8 CONNECTIONS=256 RATE=10000   the loads: open loop at that rate, then as fast as the server can
#   WITH="edge.spool_wait=60ms ..."   settings of the edge
#   PEERS_BUILD=DIR  where the peers are built [default: in the cache of the servers]; delete it when they change
set -euo pipefail
cd "$(dirname "$0")/.."

tributary=${TRIBUTARY:?path of the tributary binary}
peers=${PEERS:-../shared/peers/edge}
cache=${TRIBUTARY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tributary}
generator_core=0
server_core=1

scripts/setup.sh nginx
[ "$(nproc)" -ge 2 ] || { echo "error: two cores are needed, one for the server and one for the load" >&2; exit 1; }

options=()
[ ! -d "$peers/edge" ] || peers=$peers/edge
if [ -d "$peers/go" ]; then
	# The jars that the broker runs from.
	libs=$(find "$cache/servers" -maxdepth 2 -type d -path '*/kafka-*/libs' 2>/dev/null | sort | tail -n 1)
	options+=(--peers "$(cd "$peers" && pwd)" --peers-build "${PEERS_BUILD:-$cache/edge-peers}")
	[ -z "$libs" ] || options+=(--kafka-libs "$libs")
	[ -z "${ONLY:-}" ] || options+=(--only "$ONLY")
else
	[ -z "${PEERS:-}" ] || { echo "error: no peers in $peers" >&2; exit 1; }
	echo "no peers in $peers: measures the edge and nginx"
fi
for setting in ${WITH:-}; do options+=(--with "$setting"); done

# Ten thousand idle connections, and a few.
ulimit -n "$(ulimit -H -n)"
mkdir -p data
exec taskset -c $generator_core "$tributary" loadtest bench-edge --dir "$(mktemp -d data/bench-edge.XXXXXX)" \
	--seed "${SEED:-1}" --rounds "${ROUNDS:-5}" --seconds "${SECONDS_EACH:-8}" --connections "${CONNECTIONS:-256}" \
	--rate "${RATE:-10000}" --server-core $server_core --all-cores "$generator_core,$server_core" "${options[@]}"
