#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records the example run anew: 480 configurations of six tunables drawn at
# random, judged, the best in a duel with the defaults; then the limits of the
# machine, what the model takes a token, and one long generation by the
# winner. Takes some four minutes on two quiet cores.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
xltune=${XLTUNE:-$root/build/release/xltune}
example=$root/runs/example
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XLTUNE_PROFILES="$work/profiles" # later runs here shall not take it
cd "$root"
. runs/setup.sh

"$xltune" sweep --model models/demo --no-best --mode random \
    --space runs/example/space.json --prompt-file runs/example/prompt.txt \
    --trials 480 --new 48 --repeats 7 --rounds 31 --objective balanced \
    --seed 1337 --log-dir "$work" --tag example
run=$(echo "$work"/*_example)
"$xltune" judge --run "$run" --model models/demo >/dev/null
complete_run "$xltune" models/demo "$run" runs/example/prompt.txt

# The export without the store and the lines, and without this machine's
# folders.
for file in run_meta.json best.json summary.csv samples.csv ratings.csv \
    insight.json duel.json judged.json model.json bench.json stats.csv \
    memory.csv; do
    sed -e "s|$work|runs|g" -e "s|$root/||g" "$run/$file" >"$example/$file"
done
du -bc "$example"/*.csv "$example"/*.json | tail -n 1
