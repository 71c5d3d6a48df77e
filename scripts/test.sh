#!/usr/bin/env bash
# Runs all tests and closes with one line of counts. Tests on real servers start and stop those themselves.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$SECONDS
cargo test --workspace --no-fail-fast 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
passed=$(awk '/^test result:/ { sum += $4 } END { print sum + 0 }' "$log")
failed=$(awk '/^test result:/ { sum += $6 } END { print sum + 0 }' "$log")
# A test binary that does not build or dies prints no result.
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
scripts/report.sh test "$([ "$failed" = 0 ] && echo ok || echo missed)" \
	"{\"passed\": $passed, \"failed\": $failed, \"seconds\": $((SECONDS - began))}" '{"failed": "== 0"}'
echo "$passed passed, $failed failed"
exit "$status"
