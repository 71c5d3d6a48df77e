#!/usr/bin/env bash
# Faults under load (`chaos-processor`), and how soon a killed processor decides again (`bench-recovery`); the figures go to
# target/reports. CLICKS and FAULTS shrink or stretch a run; then the goal for the number of faults is what was asked for.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?chaos-processor or bench-recovery}
tributary=${TRIBUTARY:?path of the tributary binary}
seed=${SEED:-1}
mkdir -p data
dir=$(mktemp -d "data/$target.XXXXXX")
# What is wrong leaves the folder for whoever looks for the reason.
figures=$dir.json
trap 'rm -f "$figures"' EXIT

status=0
case $target in
chaos-processor)
	faults=${FAULTS:-50}
	"$tributary" loadtest chaos --seed "$seed" --clicks "${CLICKS:-1000000}" --faults "$faults" \
		--dir "$dir" --figures "$figures" || status=$?
	goals="{\"faults\": \">= $faults\", \"lost\": \"== 0\", \"doubled\": \"== 0\", \"wrong\": \"== 0\"}"
	;;
bench-recovery)
	"$tributary" loadtest recovery --seed "$seed" --clicks "${CLICKS:-10000000}" --reread "${REREAD:-1000000}" \
		--dir "$dir" --figures "$figures" || status=$?
	goals='{"restart_first_ms": "< 2000", "reread_first_ms": "<= 10000"}'
	;;
*)
	echo "error: no such run: $target" >&2
	exit 2
	;;
esac
# No figures: the run did not come to its end, and there is nothing to report.
[ -s "$figures" ] || exit "$status"
figure() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$figures"; }
verdict=ok
[ "$status" = 0 ] || verdict=missed
if [ "$target" = bench-recovery ]; then
	{ [ "$(figure restart_first_ms)" -lt 2000 ] && [ "$(figure reread_first_ms)" -le 10000 ]; } || verdict=missed
fi
SEED=$seed scripts/report.sh "$target" "$verdict" "$(cat "$figures")" "$goals"
echo "report: target/reports/$target.json ($verdict)"
[ "$verdict" = ok ]
