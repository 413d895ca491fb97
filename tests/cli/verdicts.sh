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

cat >all.json <<'JSON'
{"params": {"chunk_size": [16, 32, 48, 64, 96, 128], "heads_per_band": [1, 2, 4],
            "prefill_block": [64, 128, 192, 256]}}
JSON

# -- no time ------------------------------------------------------------------

dir=short
run "$@" --space one.json --log-dir $dir --time-budget 0.001
code 4
says "the time was up"
says "--resume $(echo $dir/*)"
run sweep --resume "$(echo $dir/*)" --time-budget 60
check "exit code $rc" test "$rc" -eq 4 -o "$rc" -eq 0

# -- nothing gets better -------------------------------------------------------

# ends N: summary and run_meta.json say that N in a row were no better.
ends() {
    tr -s '\n ' ' ' <out >words
    check "the summary says something else" has words "no better one in the last $1 configurations"
    check "run_meta.json says something else" has "$(echo $dir/*/run_meta.json)" \
        "\"no better one in the last $1 configurations\""
}

dir=stall
run "$@" --space all.json --log-dir $dir --trials 72 --patience 3
code 0
ends 3
run sweep --resume "$(echo $dir/*)" --patience 5
code 0
ends 5

# -- what goes wrong around it -------------------------------------------------

run "$@" --space one.json --log-dir held
code 0
held=$(echo held/*)
what="a run that another process holds"
flock "$held" "$XLTUNE" sweep --resume "$held" >out 2>err
rc=$?
refused 75 "$held" "another process"
what="a store that another process has locked"
(
    echo 'BEGIN EXCLUSIVE;'
    : >locked
    while [ -f locked ]; do sleep 0.05; done
) | sqlite3 "$held/trials.db" &
while [ ! -f locked ]; do sleep 0.01; done
sleep 0.2
run sweep --resume "$held"
rm -f locked
wait
refused 75 "$held" busy
run sweep --resume "$held"
code 0

# A disk that is full, as the limit on the size of files has it.
what="a file that may not grow"
(
    ulimit -f 500
    exec "$XLTUNE" "$@" --space all.json --trials 60 --log-dir full
) >out 2>err
rc=$?
code 1
check "not one last line: $(tail -n 2 err)" has err "xltune sweep: cannot"
check "it does not name the run" has err "full/"
n=$(sqlite3 "$(echo full/*)/trials.db" 'SELECT count(*) FROM sample')
check "samples are lost: '$n'" test "${n:-0}" -gt 0
run sweep --resume "$(echo full/*)"
code 0

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
