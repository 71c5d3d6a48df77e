#!/usr/bin/env bash
# Formatting, clippy with warnings as errors, dependency arrows and licences (tests/layout.rs). All of them run, so that
# one call shows everything.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
for step in "cargo fmt --all --check" "cargo clippy --workspace --all-targets -- -D warnings" "cargo test --test layout"; do
	echo "$step"
	$step || { echo "failed: $step"; failed=$((failed + 1)); }
done
scripts/report.sh lint "$([ $failed = 0 ] && echo ok || echo missed)" "{\"failed_steps\": $failed}" '{"failed_steps": "== 0"}'
exit $((failed > 0))
