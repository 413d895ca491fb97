#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a synthetic run of 100,000 trials (or $1), seven samples each and three
# quarters of them with every score of the judge, and measures what list, show,
# export, plot and the report alone take. Fails when one takes 30 s of
# processor time or 1 GiB of memory. Needs a build with tests and 1.5 GB of
# disk under $TMPDIR.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/runs/setup.sh"
[ -x /usr/bin/time ] || install_packages time
build=${BUILD:-$root/build/ci}
trials=${1:-100000}
most_s=30
most_kb=1048576
xltune=$build/xltune
make_run=$build/tests/xl_make_run
work=$(mktemp -d "${TMPDIR:-/tmp}/xltune-large-XXXXXX")
trap 'rm -rf "$work"' EXIT

run=$work/runs/parallel_20260101_000000_large
"$make_run" "$run" "$trials"
printf '%s trials, store of %s MB\n' "$trials" \
    "$(($(wc -c <"$run/trials.db") / 1000000))"
printf '%-24s %8s %8s %10s\n' command 'wall s' 'cpu s' 'memory MiB'

bad=0
measure() {
    name=$1
    shift
    /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/out" ||
        { cat "$work/out"; exit 1; }
    awk -v name="$name" -v most_s=$most_s -v most_kb=$most_kb '{
        printf "%-24s %8.2f %8.2f %10.0f\n", name, $1, $2 + $3, $4 / 1024
        exit $2 + $3 >= most_s || $4 >= most_kb }' "$work/time" || bad=1
}
measure 'runs list' "$xltune" runs list --log-dir "$work/runs"
measure 'runs show' "$xltune" runs show "$run"
measure 'runs export' "$xltune" runs export "$run"
measure 'plot --no-gnuplot' "$xltune" plot --run "$run" --no-gnuplot
measure 'plot' "$xltune" plot --run "$run"
measure 'runs verify' "$xltune" runs verify "$run"
[ $bad -eq 0 ] || echo "over the limit of $most_s s or $((most_kb / 1024)) MiB"
exit $bad
