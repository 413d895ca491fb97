#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records a replay table: every point of a space of one model, measured by
# `xltune bench` and kept in the form that `xltune sweep --simulate` reads.
#
#     runs/record-table.sh [-s demo|400m] [-t SECONDS] [-o FILE] [--model DIR]
#
# `-s demo` (the default) takes the bundled model and 1,008 points of engines,
# schedules and precisions; `-s 400m` takes a checkpoint that `synth` writes
# for it (or --model) and 378 points, workers of both phases among them.
#
# The space is cut into blocks. All points of a block take turns, sample by
# sample; blocks come in another order every round, so that drift of the
# machine falls on all alike. Disturbed samples are taken again, at most as
# many as were wanted. Rounds go on until the time is up; the first is always
# whole. What a point gives is the upper quartile of its samples, for what
# disturbs a sample makes it slower, never faster.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/runs/setup.sh"

space=demo
budget=600
out=
model=
while [ $# -gt 0 ]; do
    case $1 in
    -s) space=$2 ;;
    -t) budget=$2 ;;
    -o) out=$2 ;;
    --model) model=$2 ;;
    *)
        echo "usage: record-table.sh [-s demo|400m] [-t SECONDS] [-o FILE]" \
            "[--model DIR]" >&2
        exit 2
        ;;
    esac
    shift 2
done

# The space: blocks (prefill block, engine, weight type) and, for all of them,
# the lists of the other tunables. Lists hold what a table's key holds.
case $space in
demo)
    prompt=256 new=16 repeats=3
    prefill_blocks="64 256" gemms="auto vector openblas" dtypes="fp32 bf16"
    lists="--tile-av 4x16,8x32"
    keys='"prefill_block", "gemm", "weight_dtype", "tile_av"'
    ;;
400m)
    prompt=128 new=4 repeats=2
    prefill_blocks="64 128" gemms=auto dtypes="bf16 int8 int4"
    lists="--decode-workers 1,2"
    keys='"decode_workers", "prefill_block", "weight_dtype"'
    ;;
*)
    echo "record-table.sh: no space '$space'; take demo or 400m" >&2
    exit 2
    ;;
esac
out=${out:-$root/runs/tables/$space.json}

command -v jq >/dev/null || install_packages jq
if [ -z "${XLTUNE:-}" ]; then
    install_packages
    build_preset release xltune
    XLTUNE=$root/build/release/xltune
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$space" != demo ] && [ -z "$model" ]; then
    model=$work/model
    "$XLTUNE" synth --preset "$space" --out "$model"
fi

# One block: chunks that fit the prefill block, every other tunable a list.
measure() { # PREFILL_BLOCK GEMM DTYPE
    chunks=16,32,64
    [ "$1" -lt 128 ] || chunks=$chunks,128
    # shellcheck disable=SC2086  # the lists are words
    "$XLTUNE" bench ${model:+--model "$model"} --no-best --quiet -o ndjson \
        -p "$prompt" -n "$new" --repeats "$repeats" --prefill-block "$1" \
        --gemm "$2" --weight-dtype "$3" --backend parallel,queued \
        --chunk-size "$chunks" --heads-per-band 1,2,4 --workers 1,2 $lists \
        >"$work/part"
    jq -c --arg gemm "$2" '.config.gemm = $gemm |
        {config, prefill: .prefill.samples, decode: .decode.samples,
         disturbed: .environment.disturbed}' "$work/part" >>"$work/all"
}

for block in $prefill_blocks; do
    for gemm in $gemms; do
        for dtype in $dtypes; do
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
jq -s --arg rounds "$round" --arg space "$space" \
    --arg prompt "$prompt" --arg new "$new" --arg version "$("$XLTUNE" --version | head -n 1)" \
    --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" '
  ["backend", "chunk_size", "heads_per_band", "workers", '"$keys"'] as $keys |
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
  {kernel_name: "xlstm \($space) model, \($prompt) tokens of prompt, \($new) new",
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
