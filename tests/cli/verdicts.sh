#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a sweep and a duel have found out, in exit codes and in words: nothing
# proved is 7 with --strict, slower is 6, a tie keeps the simpler side.
. "$(dirname "$0")/lib.sh"

upper_prompt 24 >prompt.txt
set -- sweep --model "$tiny" --mode grid --prompt-file prompt.txt --new 4 \
    --repeats 2 --rounds 8 --grade-rounds 0 --workers 1

# best KEY: a line of the run's best.json that holds it.
best() { tr -d '\t\n' <"$(echo $dir/*/best.json)" | grep -qE "$1"; }

# -- nothing to prove ---------------------------------------------------------

# spin changes nothing with one worker: a tie whatever is measured.
echo '{"params": {"chunk_size": [64]}}' >one.json
dir=same
run "$@" --space one.json --log-dir $dir
code 0
prints "the defaults"
check "best.json does not say that nothing is proved" best '"proved": *false'
check "nothing is published" test -n "$(ls profiles)"
dir=strict
run "$@" --space one.json --log-dir $dir --strict
code 7
says "not proved"
check "best.json is missing" best '"verdict": *"pass"'
run "$@" --space one.json --log-dir json --strict --json
code 7
check "it is no one document" test "$(grep -c '"proved":false' out)" -eq 1

# -- no time ------------------------------------------------------------------

dir=short
run "$@" --space one.json --log-dir $dir --time-budget 0.001
code 4
says "the time was up"
says "--resume $(echo $dir/*)"
run sweep --resume "$(echo $dir/*)" --time-budget 60
check "exit code $rc" test "$rc" -eq 4 -o "$rc" -eq 0

# -- bench --vs -----------------------------------------------------------------

printf '{"gemm": "naive", "cell": "naive"}' >slow.json
printf '{"gemm": "auto"}' >fast.json
set -- --no-best --model "$tiny" -p 256 -n 16 --repeats 16
run bench "$@" --config slow.json --vs fast.json
code 6
says slower
run bench "$@" --config fast.json --vs slow.json
code 0
prints faster
run bench "$@" --vs slow.json fast.json
code 6
run bench "$@" --vs slow.json,fast.json
code 6
run bench "$@" --vs fast.json,slow.json
code 0
run bench "$@" --vs gone.json
code 2
says gone.json
finish
