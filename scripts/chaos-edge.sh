#!/usr/bin/env bash
# The edge under faults: clicks and events come in while Kafka is stopped for a minute, the edge is killed twenty times and
# its spool's disk fills up; then everything that was acknowledged must be in Kafka, once. Figures go to
# target/reports/chaos-edge.json.
#
#   SEED=1           plans when the edge is killed
#   RATE=10000 EVENTS=1000   clicks and events a second
#   AWAY=60          seconds without Kafka; the load lasts for two and a quarter times that
#   KILLS=20         how often the edge is killed
#
# A quick run: RATE=1000 EVENTS=100 AWAY=8 KILLS=4. As root the spool gets a small file system of its own, which really is
# full; otherwise a limit on the size of files stands for that.
set -euo pipefail
cd "$(dirname "$0")/.."

tributary=${TRIBUTARY:?path of the tributary binary}
mkdir -p data
exec "$tributary" loadtest chaos-edge --dir "$(mktemp -d data/chaos-edge.XXXXXX)" --seed "${SEED:-1}" \
	--rate "${RATE:-10000}" --events "${EVENTS:-1000}" --away "${AWAY:-60}" --kills "${KILLS:-20}"
