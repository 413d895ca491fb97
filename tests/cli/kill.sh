#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sweeps killed at random moments, also while they resume. Nothing that was
# measured may be lost, nothing doubled, and in the end the configurations are
# those of an unbroken run with the same seed. The store is read by sqlite3,
# from a copy, so that the program itself has to recover.
#
#     kill.sh [SWEEPS [SEED]]
. "$(dirname "$0")/lib.sh"
sweeps=${1:-20}
seed=${2:-20}
trials=24
rows=$((trials + 1)) # the space does not hold the defaults: measured besides
repeats=3

what=tools
check "sqlite3 is not installed" command -v sqlite3 >/dev/null
upper_prompt 12 >prompt.txt
cat >space.json <<'JSON'
{"params": {"chunk_size": [16, 32, 48, 64, 96, 128],
            "heads_per_band": [1, 2, 4],
            "prefill_block": [128, 192, 256],
            "tile_av": ["4x16", "8x16"]}}
JSON
# A path of its own tells our evaluators from everybody else's.
cp -r "$tiny" model
set -- sweep --model "$tmp/model" --mode random --seed 5 --workers 1 \
    --trials $trials --repeats $repeats --rounds 6 --new 4 \
    --prompt-file prompt.txt --space space.json --no-best

now_ms() { date +%s%3N; }

ask() { sqlite3 -batch "$1" "$2" 2>&1; }
cfgs() { ask "$1" 'SELECT cfg FROM trial ORDER BY cfg'; }
samples() {
    ask "$1" 'SELECT trial_id, rep, prefill_ns, decode_ns, at_ms FROM sample' |
        sort
}
results() { ask "$1" 'SELECT trial_id, value FROM result' | sort; }

# Seconds from 0.01 to D, for the n-th kill.
moment() {
    awk -v seed="$seed" -v n="$1" -v d="$took" 'BEGIN {
        srand(seed * 1000 + n)
        rand()
        printf "%.3f", 0.01 + rand() * d / 1000
    }'
}

# No process of ours is left: an evaluator ends with its sweep.
no_orphans() {
    tries=0
    while [ $tries -lt 40 ]; do
        left=
        for place in /proc/[0-9]*; do
            if { tr '\0' ' ' <"$place/cmdline"; } 2>/dev/null |
                grep -qF "$tmp/model"; then
                left=$place
            fi
        done
        [ -z "$left" ] && return 0
        tries=$((tries + 1))
        sleep 0.05
    done
    return 1
}

# The run folder under $1 that has a store, or nothing.
run_in() {
    for folder in "$1"/*; do
        [ -f "$folder/trials.db" ] && echo "$folder"
    done
}

# Compares a copy of the store with what the last look found.
look() {
    rm -rf copy
    cp -r "$1" copy
    sound=$(ask copy/trials.db 'PRAGMA integrity_check')
    # A store that was not yet made holds no tables; nothing can be lost.
    if [ -z "$(ask copy/trials.db 'SELECT name FROM sqlite_master LIMIT 1')" ]
    then
        sound=ok
        : >samples.now
        : >results.now
    else
        samples copy/trials.db >samples.now
        results copy/trials.db >results.now
    fi
    check "the store is damaged: $sound" test "$sound" = ok
    lost=$(comm -23 samples.before samples.now | head -n 1)
    check "a sample is lost or was changed: $lost" test -z "$lost"
    lost=$(comm -23 results.before results.now | head -n 1)
    check "a result is lost or was changed: $lost" test -z "$lost"
    cp samples.now samples.before
    cp results.now results.before
}

# The finished run in $1 is whole.
whole() {
    db=$1/trials.db
    cfgs "$db" >cfgs.now
    check "other configurations than those of an unbroken run" \
        cmp -s cfgs.want cfgs.now
    n=$(ask "$db" 'SELECT count(*) FROM trial')
    check "$n trials, not $rows" test "$n" = $rows
    n=$(ask "$db" "SELECT count(*) FROM trial WHERE state IN ('ok', 'pruned')")
    check "$n trials are measured, not $rows" test "$n" = $rows
    n=$(ask "$db" 'SELECT count(DISTINCT cfg_hash) FROM trial')
    check "$n different configurations, not $rows" test "$n" = $rows
    # How many there are is the race's; one far below is dropped after its first.
    n=$(ask "$db" "SELECT count(*) FROM (SELECT trial_id FROM sample
        JOIN trial ON trial.id = trial_id
        GROUP BY trial_id HAVING min(rep) = 0 AND max(rep) = count(*) - 1
        AND count(*) >= CASE state WHEN 'ok' THEN $repeats ELSE 1 END)")
    check "$n trials have every repetition once" test "$n" = $rows
    n=$(ask "$db" 'SELECT count(*) FROM result')
    check "$n results, not $rows" test "$n" = $rows
    n=$(ask "$db" 'PRAGMA foreign_key_check')
    check "references point nowhere: $n" test -z "$n"
    run runs verify "$1"
    code 0
    check "summary.csv is not whole" \
        test "$(wc -l <"$1/summary.csv")" -eq $((rows + 1))
    check "best.json is missing" test -s "$1/best.json"
    check "temporary files are left" test -z "$(find "$1" -name '*.tmp')"
}

# start WORDS...: the program in the background; its id in $pid.
start() {
    "$XLTUNE" "$@" >out 2>err </dev/null &
    pid=$!
}

# Lets it run for $1 seconds and kills it; its code in $rc.
kill_after() {
    sleep "$1"
    kill -s KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    rc=$?
}

# -- the unbroken run ---------------------------------------------------------

began=$(now_ms)
run "$@" --log-dir unbroken
took=$(($(now_ms) - began))
code 0
base=$(run_in unbroken)
if [ -z "$base" ]; then
    fail "there is no run to compare with"
    finish
fi
cfgs "$base/trials.db" >cfgs.want
whole "$base"
what="a planted loss"
rm -rf copy
cp -r "$base" copy
samples copy/trials.db >samples.before
ask copy/trials.db "DELETE FROM sample WHERE trial_id = 7 AND rep = 1"
samples copy/trials.db >samples.now
check "it is not seen" test -n "$(comm -23 samples.before samples.now)"
what="another seed"
run "$@" --log-dir other --seed 6
code 0
cfgs "$(run_in other)/trials.db" >cfgs.other
check "it has no configurations" test -s cfgs.other
what="another seed"
if cmp -s cfgs.want cfgs.other; then
    fail "its configurations are the same, so comparing them shows nothing"
fi

# -- killed -------------------------------------------------------------------

# broken_sweep I: up to three kills, then to the end.
broken_sweep() {
    i=$1
    shift
    dir=broken$i
    : >samples.before
    : >results.before
    part=0
    while [ $part -lt 3 ]; do
        at=$(moment $((i * 3 + part)))
        what="sweep $i, kill $part after $at s"
        folder=$(run_in "$dir")
        if [ -n "$folder" ]; then
            start sweep --resume "$folder"
        else
            rm -rf "$dir"
            start "$@" --log-dir "$dir"
        fi
        kill_after "$at"
        kills=$((kills + (rc == 137)))
        if [ $rc -ne 137 ]; then
            check "it ended with $rc: $(tail -n 1 err)" test $rc -eq 0
            break
        fi
        folder=$(run_in "$dir")
        [ -n "$folder" ] && look "$folder"
        part=$((part + 1))
    done
    folder=$(run_in "$dir")
    if [ -n "$folder" ]; then
        run sweep --resume "$folder"
    else
        rm -rf "$dir"
        run "$@" --log-dir "$dir"
        folder=$(run_in "$dir")
    fi
    what="sweep $i, the last resume"
    code 0
    look "$folder"
    whole "$folder"
    check "evaluators are left" no_orphans
}

kills=0
i=0
while [ $i -lt "$sweeps" ]; do
    broken_sweep $i "$@"
    rm -rf "broken$i" copy
    i=$((i + 1))
done
what="$sweeps sweeps"
# Moments are drawn from the time that the unbroken run took; on a machine that
# others use half of them may come too late.
check "only $kills kills hit a running sweep" \
    test $kills -ge $((sweeps / 2))

# -- asked to stop ------------------------------------------------------------

# Are so many trials measured in the run under $1? Else, is the word on stderr?
reached() {
    case $2 in
    [0-9]*)
        db=$(run_in "$1")/trials.db
        n=$([ -f "$db" ] && ask "$db" 'SELECT count(*) FROM result')
        [ "$(echo "$n" | grep -cE '^[0-9]+$')" -eq 1 ] && [ "$n" -ge "$2" ]
        ;;
    *) grep -qF "$2" err ;;
    esac
}

# stopped SIGNAL CODE WHEN: a signal after WHEN trials, or at a word on stderr.
stopped() {
    signal=$1 want=$2 line=$3
    shift 3
    what="SIG$signal at '$line'"
    start "$@" --log-dir "stop$signal"
    while kill -s 0 "$pid" 2>/dev/null && ! reached "stop$signal" "$line"; do
        sleep 0.01
    done
    kill -s "$signal" "$pid" 2>/dev/null
    wait "$pid"
    rc=$?
    code "$want"
    check "evaluators are left" no_orphans
    folder=$(run_in "stop$signal")
    check "it does not say how to go on: $(tail -n 1 err)" \
        has err "xltune sweep --resume $folder"
    check "there is no summary.csv" test -s "$folder/summary.csv"
    check "it does not say how far it came: $(tail -n 1 err)" \
        has err "of $trials configurations, best"
    n=$(ask "$folder/trials.db" "SELECT count(*) FROM trial WHERE state = 'ok'")
    check "no partial results are kept" test "$n" -ge 1
    n=$(ask "$folder/trials.db" \
        "SELECT count(*) FROM trial WHERE state = 'running'")
    check "$n trials are still held" test "$n" = 0
    samples "$folder/trials.db" >samples.before
    results "$folder/trials.db" >results.before
    : >"$folder/summary.csv.99999999.tmp" # of a process that is no more
    : >"$folder/summary.csv.$$.tmp"
    run sweep --resume "$folder"
    code 0
    check "a file of a living process is gone" rm "$folder/summary.csv.$$.tmp"
    look "$folder"
    whole "$folder"
}
stopped INT 130 2 "$@"
rm -rf stopINT
stopped INT 130 "judging" "$@"
stopped TERM 143 5 "$@"
finish
