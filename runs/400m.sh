#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tunes the 400m model on this machine in eleven minutes: as many configurations
# of bf16 and int8 weights, chunks, bands and blocks as fit, the judge, and the
# duel of the best against the defaults. The search runs a part of the prompt,
# the duel all of it. Exit code 7 when nothing is proved faster.
#
#     runs/400m.sh [-t SECONDS] [--model DIR] [OPTIONS OF SWEEP...]
#
# Left out, the model is a checkpoint of random weights that `synth` writes; the
# profile is for its shape, and what the judge says is about those weights.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/runs/setup.sh"

budget=660
model=
while [ $# -gt 0 ]; do
    case $1 in
    -t) budget=$2 ;;
    --model) model=$2 ;;
    *) break ;;
    esac
    shift 2
done

if [ -z "${XLTUNE:-}" ]; then
    install_packages
    build_preset release xltune
    XLTUNE=$root/build/release/xltune
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/xltune-400m-XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ -z "$model" ]; then
    model=$work/model
    "$XLTUNE" synth --preset 400m --dtype bf16 --out "$model" --quiet
fi

head -c 640 "$root/runs/prompts/demo.txt" >"$work/prompt.txt"
say "sweep: configurations of $model in $budget s"
"$XLTUNE" sweep --model "$model" --mode auto --trials 60 \
    --time-budget "$budget" --space "$root/runs/400m-space.json" \
    --prompt-file "$work/prompt.txt" --new 64 --no-best --strict --seed 1 \
    --log-dir runs --tag 400m "$@"
