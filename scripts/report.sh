#!/bin/sh
# Writes target/reports/TARGET.json: report.sh TARGET ok|missed FIGURES GOALS, the last two as JSON objects.
set -eu
cd "$(dirname "$0")/.."
[ "$2" = ok ] && ok=true || ok=false
mkdir -p target/reports
printf '{"target": "%s", "commit": "%s", "seed": %s, "ok": %s, "figures": %s, "goals": %s}\n' \
	"$1" "$(git rev-parse HEAD 2>/dev/null || echo unknown)" "${SEED:-1}" "$ok" "$3" "$4" > "target/reports/$1.json"
