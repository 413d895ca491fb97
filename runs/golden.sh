#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the golden profiles that are shipped: one sweep for each backend, its
# winner, when it is proved faster than the starting values of BACKEND.json,
# frozen as tuner/profile/golden/BACKEND-MODEL.json. Run it on a machine
# of the class they are for, with nothing else running.
#
#     runs/golden.sh [-t SECONDS] [--model DIR | -s 400m] [BACKEND...]
#
# Without words: the bundled model, all backends, 90 seconds each at most. What
# it beat, the intervals and the grade of the machine are in the profile, under
# "provenance". `-s 400m` takes a checkpoint that `synth` writes for it;
# profiles are for its shape, not its weights.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/runs/setup.sh"

budget=90
model=$root/models/demo
synth=
backends=
while [ $# -gt 0 ]; do
    case $1 in
    -t) budget=$2 ;;
    -s) synth=$2 ;;
    --model) model=$2 ;;
    -*)
        echo "usage: golden.sh [-t SECONDS] [--model DIR | -s 400m]" \
            "[BACKEND...]" >&2
        exit 2
        ;;
    *)
        backends="$backends $1"
        shift
        continue
        ;;
    esac
    shift 2
done
[ -n "$backends" ] || backends="native serial parallel queued actors"

xltune=$root/build/release/xltune
build_preset release xltune # what is measured is this tree
work=$(mktemp -d)
golden=$root/tuner/profile/golden

# Golden profiles that were set aside and have not been made anew.
put_back() {
    for old in "$work"/held/*.json; do
        [ ! -f "$old" ] || [ -f "$golden/${old##*/}" ] || mv "$old" "$golden"
    done
    rm -rf "$work/held"
}
trap 'put_back; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# What was tuned here before may not be what the new ones start from.
XLTUNE_PROFILES=$work/profiles
export XLTUNE_PROFILES
if [ -n "$synth" ]; then
    model=$work/$synth
    "$xltune" synth --preset "$synth" --dtype bf16 --seed 1 --out "$model"
fi

cd "$work"
for backend in $backends; do
    say "$backend: a sweep of $budget s"
    # Nor what is shipped already: the starting values are the incumbent.
    mkdir -p "$work/held"
    for old in "$golden/$backend"-*.json; do
        [ ! -f "$old" ] || mv "$old" "$work/held"
    done
    if "$xltune" sweep --model "$model" --backend "$backend" --no-best \
        --mode auto --trials 200 --seed 1337 --time-budget "$budget" \
        --strict --log-dir "$work/runs" --tag golden; then
        run=$(find "$work/runs" -maxdepth 1 -name "${backend}_*_golden")
        "$xltune" profile freeze --golden --yes "$run" "$backend"
    else
        say "$backend: nothing to freeze"
    fi
    put_back
done
"$xltune" profile list --model "$model"
