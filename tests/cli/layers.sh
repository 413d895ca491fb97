#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The seven layers of a configuration through the command line: for every
# adjacent pair that both set chunk_size the higher one wins, and says where
# its value comes from.
. "$(dirname "$0")/lib.sh"

# "VALUE<tab>ORIGIN" of a tunable, from the JSON form and the table alike.
shown() {
    key=$1
    shift
    "$XLTUNE" config show --origin --json "$@" 2>err >out &&
        tr -d ' \t\n' <out |
        sed -n "s/.*\"$key\":{\"value\":\\([^,]*\\),\"origin\":\"\\([^\"]*\\)\".*/\\1|\\2/p"
}
tabled() {
    key=$1
    shift
    "$XLTUNE" config show --origin "$@" 2>err |
        awk -v key="$key" '$1 == key { print }'
}

# expect VALUE LAYER WHERE WORDS...: chunk_size as both forms show it.
expect() {
    value=$1 layer=$2 where=$3
    shift 3
    what="config show $*"
    got=$(shown chunk_size "$@")
    case $got in
    "$value|$(echo "$layer" | tr -d ' ')"*) ok=true ;;
    *) ok=false ;;
    esac
    check "JSON says '$got', not $value from $layer" $ok
    row=$(tabled chunk_size "$@")
    case $row in
    "chunk_size "*" $value "*"$layer"*"$where"*) ok=true ;;
    *) ok=false ;;
    esac
    check "the table says '$row', not $value, $layer, $where" $ok
}

golden=$(sed -n 's/.*"chunk_size": *\([0-9]*\).*/\1/p' \
    "$root/tuner/profile/golden/serial.json")
what="golden profile of serial"
check "it sets chunk_size" test -n "$golden"

mkdir configs
printf '{"chunk_size": 29}' >configs/fast.json
printf '{"params": {"chunk_size": 31}}' >other.json
set -- --model "$tiny" --backend serial

what="config show --gemm naive"
check "the table names the engines" sh -c "'$XLTUNE' config show --model '$tiny' \
    --gemm naive | grep -q '^engines: naive in prefill, naive in decode'"
check "JSON names the engines" sh -c "'$XLTUNE' config show --json --model '$tiny' \
    --gemm naive | tr -d ' \n' | grep -q '\"engines\":{\"prefill\":\"naive\"'"

# 1 < 2. What the golden profile does not set is still the default.
expect "$golden" "golden profile" serial.json "$@"
what="a tunable that no layer sets"
row=$(tabled spin "$@")
case $row in *" default"*) ok=true ;; *) ok=false ;; esac
check "it comes from the defaults: '$row'" $ok

# 2 < 3. A sweep with chunk_size fixed by flag publishes a profile with it,
# whichever configuration wins.
upper_prompt 24 >prompt.txt
run sweep "$@" --chunk-size 23 --mode random --trials 2 --repeats 2 \
    --rounds 3 --new 4 --prompt-file prompt.txt --log-dir elsewhere
code 0
expect 23 "machine profile" "$tmp/profiles" "$@"
expect "$golden" "golden profile" serial.json "$@" --no-best
# Another model has no use for it.
expect "$golden" "golden profile" serial.json --backend serial

# 3 < 4 < 5 < 6 < 7.
export XLTUNE_CHUNK_SIZE=37
expect 37 environment XLTUNE_CHUNK_SIZE "$@"
expect 37 environment XLTUNE_CHUNK_SIZE "$@" --no-best
expect 29 profile configs/fast.json "$@" --profile fast
expect 31 "config file" other.json "$@" --profile fast --config other.json
expect 41 flag --chunk "$@" --profile fast --config other.json \
    --chunk-size 41
expect 41 flag --chunk --chunk-size 41 "$@" --config other.json \
    --profile fast
expect 43 flag --param "$@" --config other.json --param chunk_size=43
unset XLTUNE_CHUNK_SIZE
expect 29 profile configs/fast.json "$@" --profile fast
expect 31 "config file" other.json "$@" --config other.json

# What runs is what is shown.
what="generate --json"
"$XLTUNE" generate "$@" --prompt-file prompt.txt --max-new-tokens 2 --json \
    --config other.json 2>err | tr -d ' \t\n' >out
prints '"chunk_size":{"value":31,"origin":"configfile"'
"$XLTUNE" generate "$@" --prompt-file prompt.txt --max-new-tokens 2 --json \
    2>err | tr -d ' \t\n' >out
prints '"chunk_size":{"value":23,"origin":"machineprofile"'

# explain lists the whole stack, highest first.
run config explain chunk_size "$@" --chunk-size 41 --config other.json \
    --profile fast
code 0
what="order of 'config explain'"
order=$(awk '/effective|shadowed/ { printf "%s,", $1 }' out)
check "it is '$order'" test "$order" = "flag,config,profile,machine,golden,default,"

# A layer that is wrong is refused with its place, and not skipped.
printf '{"params": {\n  "chunk_sise": 3}}' >bad.json
run config show "$@" --config bad.json
refused 2 "bad.json" "line 2" "column 3" "chunk_size"
printf '{"params": {\n    "chunk_size": 0}}' >bad.json
run config show "$@" --config bad.json
refused 2 "bad.json" "line 2" "chunk_size"
run config show "$@" --config nowhere.json
refused 2 nowhere.json
run config show "$@" --profile fats
refused 2 fats fast
XLTUNE_CHUNK_SIZE=many run config show "$@"
refused 2 XLTUNE_CHUNK_SIZE many
XLTUNE_CHUNKSIZE=32 run config show "$@"
refused 2 "XLTUNE_CHUNKSIZE" "XLTUNE_CHUNK_SIZE"
XLTUNE_CACHE=. run config show "$@"
code 0
run config show "$@" --chunk-size 0
refused 2 chunk 0
run config show "$@" --param chunk_size=5000
refused 2 chunk_size 5000

# Behind `auto` stands an engine, and an engine that is named is that one.
run config explain gemm "$@"
code 0
check "it names no engine" has out "Runs here: "
run config explain gemm "$@" --gemm naive --json
code 0
check "it is not naive" has out '"engines":{"prefill":"naive","decode":"naive"'

# A profile meets again what it once beat; the shipped one is the defaults.
run profile check parallel --model "$tiny" --no-duel
code 0
check "it does not say that it fits" has out fits
run profile check parallel --model "$tiny" --context 8
code 0
check "it is not still best" has out "still best"
run profile check serial --model "$tiny" --context 8 --rounds 6 --json
check "it is proved by six rounds of nothing: $rc" test $rc -eq 0 -o $rc -eq 6 -o $rc -eq 7
check "the duel is missing" has out '"recorded_ratio"'
finish
