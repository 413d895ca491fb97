#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records a replay table: every point of a space of the demo model, measured
# by `xltune bench` and kept in the form that `xltune sweep --simulate` reads.
#
#     runs/record-table.sh [-t SECONDS] [-o FILE] [--model DIR]
#
# The space is cut into 12 blocks. All points of a block take turns, sample by
# sample; blocks come in another order every round, so that drift of the
# machine falls on all alike. Disturbed samples are taken again, at most as
# many as were wanted. Rounds go on until the time is up; the first is always
# whole. What a point gives is the upper quartile of its samples, for what
# disturbs a sample makes it slower, never faster.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/runs/setup.sh"

budget=600
out=$root/runs/tables/demo.json
model=
while [ $# -gt 0 ]; do
    case $1 in
    -t) budget=$2 ;;
    -o) out=$2 ;;
    --model) model=$2 ;;
    *)
        echo "usage: record-table.sh [-t SECONDS] [-o FILE] [--model DIR]" >&2
        exit 2
        ;;
    esac
    shift 2
done

command -v jq >/dev/null || install_packages jq
if [ -z "${XLTUNE:-}" ]; then
    install_packages
    build_preset release xltune
    XLTUNE=$root/build/release/xltune
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One block: chunks that fit the prefill block, every other tunable a list.
measure() { # BLOCK GEMM DTYPE
    chunks=16,32,64
    [ "$1" -lt 128 ] || chunks=$chunks,128
    "$XLTUNE" bench ${model:+--model "$model"} --no-best --quiet -o ndjson \
        -p 256 -n 16 --repeats 3 --prefill-block "$1" --gemm "$2" \
        --weight-dtype "$3" --backend parallel,queued --chunk-size "$chunks" \
        --heads-per-band 1,2,4 --workers 1,2 --tile-av 4x16,8x32 \
        >"$work/part"
    jq -c --arg gemm "$2" '.config.gemm = $gemm |
        {config, prefill: .prefill.samples, decode: .decode.samples,
         disturbed: .environment.disturbed}' "$work/part" >>"$work/all"
}

for block in 64 256; do
    for gemm in auto vector openblas; do
        for dtype in fp32 bf16; do
            echo "$block $gemm $dtype"
        done
    done
done >"$work/blocks"

begin=$(date +%s)
round=0
is_late() { [ $(($(date +%s) - begin)) -ge "$budget" ]; }
until [ "$round" -gt 0 ] && is_late; do
    round=$((round + 1))
    say "round $round, $(($(date +%s) - begin)) s of $budget s"
    awk -v seed="$round" 'BEGIN { srand(seed) } { print rand(), $0 }' \
        "$work/blocks" | sort -n | cut -d' ' -f2- >"$work/order"
    while read -r block gemm dtype; do
        if [ "$round" -gt 1 ] && is_late; then break; fi
        measure "$block" "$gemm" "$dtype"
    done <"$work/order"
done

say "writing $out"
jq -s --arg rounds "$round" --arg version "$("$XLTUNE" --version | head -n 1)" \
    --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" '
  ["backend", "chunk_size", "heads_per_band", "workers", "prefill_block",
   "gemm", "weight_dtype", "tile_av"] as $keys |
  def quartile: sort | .[((length - 1) * 3 / 4) | round];
  def short: . * 10 | round / 10;
  (map(.disturbed) | add) as $disturbed |
  (map(.prefill | length) | add) as $samples |
  (group_by([.config[$keys[]]]) | map(
     [.[0].config[$keys[]]] as $point |
     (map(.prefill) | add | quartile) as $p |
     (map(.decode) | add | quartile) as $d |
     {key: ($point | map(tostring) | join(",")),
      value: ((.[0].config | with_entries(select(.key | IN($keys[])))) +
              {balanced: ($p * $d | sqrt | short), prefill: ($p | short),
               decode: ($d | short), samples: (map(.prefill | length) | add)})}
   )) as $rows |
  {kernel_name: "xlstm demo model, 256 tokens of prompt, 16 new",
   device_name: $cpu, objective: "balanced", objective_higher_is_better: true,
   recorded: {by: "runs/record-table.sh", version: $version,
              rounds: ($rounds | tonumber), samples: $samples,
              disturbed: $disturbed},
   tune_params_keys: $keys,
   tune_params: ([$keys[] as $k |
                  {key: $k, value: ($rows | map(.value[$k]) | unique)}] |
                 from_entries),
   cache: ($rows | from_entries)}' "$work/all" >"$work/table"
jq -c '.cache |= with_entries(.value |= .)' "$work/table" |
    sed 's/"cache":{/"cache":{\n/; s/},"/},\n"/g' >"$out"
"$XLTUNE" sweep --simulate "$out" --score --mode auto --seeds 10
