#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job on the bundled demo model: tunes it on this machine with the
# genetic search, judges what every configuration writes, draws the report.
# Installs the Debian packages it needs when they are missing, and builds.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/runs/setup.sh"

install_packages
build_preset release xltune
xltune=$root/build/release/xltune
cd "$root"

say "sweep: genetic search on a real prompt, winner against the defaults"
"$xltune" sweep --backend all --mode ga --population 8 --generations 4 \
    --space "$root/runs/demo-space.json" \
    --prompt-file "$root/runs/prompts/demo.txt" --new 48 --repeats 5 \
    --objective balanced --no-best --log-dir runs --tag demo "$@" >demo.out
run=$(sed -n 's/^run  *//p' demo.out)

say "judge: every distinct continuation of that run"
"$xltune" judge --run "$run" >"$run/judge.txt"
say "plot: pictures and report"
complete_run "$xltune" models/demo "$run" runs/prompts/demo.txt
"$xltune" plot --run "$run" >"$run/plot.txt"

echo
cat demo.out
rm -f demo.out
echo "ratings  $run/ratings.csv"
echo "pictures $run/*.png"
echo "report   $run/report.html"
echo
say "the next run picks the profile up by itself:"
"$xltune" config show --origin | head -n 12
