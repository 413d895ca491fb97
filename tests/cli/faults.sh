#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What goes wrong outside: one clear line on standard error that names the
# file, the documented exit code, no crash, and nothing lost.
. "$(dirname "$0")/lib.sh"

copy_tiny() {
    rm -rf "$1"
    mkdir "$1"
    cp "$tiny/config.json" "$tiny/model.safetensors" "$1"
    chmod -R u+w "$1"
}

# cut FILE BYTES: leaves only the beginning.
cut_file() {
    head -c "$2" "$1" >"$1.cut" && mv "$1.cut" "$1"
}

size_of() { wc -c <"$1" | tr -d ' '; }
upper_prompt 24 >prompt.txt
printf '1 2 3 4 5\n' >ids.txt

# -- checkpoints -----------------------------------------------------------

run generate --model nowhere --prompt A
refused 1 nowhere --model
mkdir empty
run generate --model empty --prompt A
refused 1 empty config.json
run inspect --model empty
refused 1 empty config.json
run generate --model ids.txt --prompt A
refused 1 ids.txt

copy_tiny m
rm m/model.safetensors
run score --model m --tokens-file ids.txt
refused 1 "m'" model.safetensors

for bytes in 0 1 20 400; do
    copy_tiny m
    cut_file m/config.json $bytes
    run score --model m --tokens-file ids.txt
    refused 1 m/config.json
done
full=$(size_of "$tiny/model.safetensors")
for bytes in 0 7 8 100 5000 $((full / 2)) $((full - 1)); do
    copy_tiny m
    cut_file m/model.safetensors $bytes
    run score --model m --tokens-file ids.txt
    refused 1 m/model.safetensors
done
whole=$(size_of "$root/models/demo/tokenizer.json")
for bytes in 0 1 1000 $((whole / 2)) $((whole - 2)); do
    copy_tiny m
    cp "$root/models/demo/tokenizer.json" m
    chmod u+w m/tokenizer.json
    cut_file m/tokenizer.json "$bytes"
    run generate --model m --prompt A
    refused 1 m/tokenizer.json
    run_from prompt.txt tokenize --model m
    refused 1 m/tokenizer.json
done

# A wrong shape lists what does not fit.
for change in 's/"embedding_dim": 64/"embedding_dim": 128/
    s/"hidden_size": 64/"hidden_size": 128/' \
    's/"vocab_size": 97/"vocab_size": 98/' \
    's/"num_heads": 4/"num_heads": 8/'; do
    copy_tiny m
    sed "$change" "$tiny/config.json" >m/config.json
    run inspect --model m
    refused 1 m weight
done
copy_tiny m
sed 's/"num_blocks": 2/"num_blocks": 3/; s/"num_hidden_layers": 2/"num_hidden_layers": 3/' \
    "$tiny/config.json" >m/config.json
run inspect --model m
refused 1 blocks.2

# Numbers nobody can mean, JSON nobody should write.
for change in 's/"num_heads": 4/"num_heads": 0/' \
    's/"num_heads": 4/"num_heads": -4/' \
    's/"num_heads": 4/"num_heads": 1e300/' \
    's/"num_heads": 4/"num_heads": 3.5/' \
    's/"num_heads": 4/"num_heads": "4"/' \
    's/"num_heads": 4/"num_heads": 4, "num_heads": 4/' \
    's/"vocab_size": 97/"vocab_size": 99999999999999999999/' \
    's/"norm_eps": 1e-06/"norm_eps": 1e999/' \
    's/"norm_eps": 1e-06/"norm_eps": NaN/' \
    's/"model_type": "xlstm"/"model_type": "other"/'; do
    copy_tiny m
    sed "$change" "$tiny/config.json" >m/config.json
    run inspect --model m
    refused 1 m/config.json
done
copy_tiny m
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "[" }' >m/config.json
run inspect --model m
refused 1 m/config.json
for text in '' '[]' 'null' '{}' '{"a"' '{"a":1}x'; do
    printf '%s' "$text" >m/config.json
    run inspect --model m
    refused 1 m/config.json
done

# -- tokens and prompts ----------------------------------------------------

for bad in 97 -1 word 1.5 1e2 99999999999999999999 4294967296 0x10; do
    printf '1 2 %s 3' "$bad" >bad.txt
    run score --model "$tiny" --tokens-file bad.txt
    refused 1 bad.txt "'$bad" 97
    printf old >kept.npy
    run logits --model "$tiny" --tokens-file bad.txt --out kept.npy
    refused 1 bad.txt
    check "the old file is gone" has kept.npy old
done
printf '9 4096' >bad.txt
run_from bad.txt detokenize
refused 1 4096
printf '7 x' >bad.txt
run_from bad.txt detokenize
refused 1 "'x'"
: >nothing.txt
run score --model "$tiny" --tokens-file nothing.txt
refused 2 nothing
run logits --model "$tiny" --tokens-file nothing.txt --out a.npy
refused 2 nothing
check "a file came all the same" test ! -e a.npy
run generate --model "$tiny" --prompt "" --no-bos
refused 2 prompt
run generate --model "$tiny" --prompt "lower case is above 97"
refused 2 "ids 0 to 96"
run generate --model "$tiny"
refused 2 "exactly one input"
run generate --model "$tiny" --prompt A --prompt-file prompt.txt
refused 2 exactly one
run generate --model "$tiny" --prompt-file gone.txt
refused 1 gone.txt
run score --model "$tiny" --text-file .
refused 1 "'.'"

# -- output ----------------------------------------------------------------

# Every command that prints says that its output was not written.
full_disk() {
    what="xltune $* >/dev/full"
    "$XLTUNE" "$@" >/dev/full 2>err <ids.txt
    rc=$?
    code 1
    check "not one line on stderr: $(head -c 200 err)" is_one_line err
}
: >out
full_disk --help
full_disk --version
full_disk sweep --help
full_disk kernels
full_disk kernels --json
full_disk tokenize
full_disk detokenize
full_disk inspect
full_disk inspect --json
full_disk config show
full_disk config show --json
full_disk config explain gemm
full_disk profile list
full_disk profile list --json
full_disk score --model "$tiny" --tokens-file ids.txt
full_disk score --model "$tiny" --tokens-file ids.txt --json
full_disk generate --model "$tiny" --prompt A --max-new-tokens 3
full_disk generate --model "$tiny" --prompt A --max-new-tokens 3 --json
full_disk sweep --model "$tiny" --prompt-file prompt.txt --dry-run
full_disk sweep --simulate "$root/tests/data/table_small.csv" --mode random \
    --trials 5

mkdir folder
# A device of our own: a program that renames a file over it, run as root,
# must not take the machine's.
full=
if mknod full c 1 7 2>/dev/null; then
    full=$tmp/full
elif [ "$(id -u)" -ne 0 ]; then
    full=/dev/full
fi
for to in $full folder gone/a.npy ids.txt/a.npy; do
    run logits --model "$tiny" --tokens-file ids.txt --out "$to"
    refused 1 "$to"
done
run logits --model "$tiny" --tokens-file ids.txt --out b.npy \
    --state-out gone/s.safetensors
refused 1 gone/s.safetensors
for flag in --stats-log --mem-log; do
    run generate --model "$tiny" --prompt A --max-new-tokens 3 $flag folder
    code 1
    says folder
    [ -n "$full" ] || continue
    run generate --model "$tiny" --prompt A --max-new-tokens 3 $flag "$full"
    code 1
    says "$full"
done
[ -z "$full" ] || check "the device was replaced" test -c "$full"
run synth --preset demo --out ids.txt
refused 1 ids.txt
check "it was overwritten" has ids.txt "1 2 3"
check "temporary files are left" test -z "$(find . -name '*.tmp*')"

# -- limits of memory --------------------------------------------------------

# limited KIB WORDS...: the program in an address space of that many KiB. It
# has to end by itself.
limited() {
    kib=$1
    shift
    what="xltune $* in $kib KiB"
    # shellcheck disable=SC3045  # dash and bash have it
    (ulimit -v "$kib" && exec timeout 20 "$XLTUNE" "$@") >out 2>err </dev/null
    rc=$?
    check "it hangs" test $rc -ne 124
    check "killed by a signal: $rc" test $rc -lt 128
}
for kib in 40000 60000 100000 150000 250000; do
    limited $kib inspect
    limited $kib score --tokens-file ids.txt
    limited $kib score --tokens-file ids.txt --gemm openblas
done
mkdir large
cp "$tiny/config.json" large
truncate -s 8G large/model.safetensors
limited 1000000 inspect --model large
refused 3 large/model.safetensors memory
limited 100000 score --tokens-file ids.txt --gemm openblas
refused 2 --gemm OpenBLAS memory

# -- sweeps that cannot be --------------------------------------------------

sweep() {
    run sweep --model "$tiny" --mode random --trials 3 --repeats 2 --rounds 2 \
        --new 4 --log-dir runs "$@"
}
sweep --prompt AB --chunks-min 16 --chunks-max 32
refused 2 chunk_size
sweep --prompt "$(upper_prompt 3)" --chunks-max 128
refused 2 chunk_size "more than 112"
sweep --prompt AB --dry-run
code 0
prints "left out: chunk_size"
sweep --prompt ""
refused 2 empty
sweep --prompt-file prompt.txt --new 0 --objective decode
refused 2 new
sweep --prompt-file gone.txt
refused 1 gone.txt
sweep --prompt-file prompt.txt --mode gaa
refused 2 gaa "'ga'"
sweep --prompt-file prompt.txt --objective decod
refused 2 decod "'decode'"
sweep --prompt-file prompt.txt --backend serail
refused 2 serail "'serial'"
sweep --prompt-file prompt.txt --chunks-min 64 --chunks-max 32
refused 2 chunks
sweep --prompt-file prompt.txt --log-dir ids.txt
refused 1 ids.txt
sweep --prompt-file prompt.txt --log-dir ids.txt/runs
refused 1 ids.txt
for dry in '' --dry-run; do
    # shellcheck disable=SC2086  # no word, or one
    sweep --prompt-file prompt.txt --tag a/b $dry
    refused 2 a/b
done

space() {
    want=$1
    printf '%s' "$2" >space.json
    sweep --prompt-file prompt.txt --space space.json
    shift 2
    refused "$want" "$@"
}
space 2 '' space.json
space 2 '{' space.json
space 2 'null' space.json
space 2 '[]' space.json
space 2 '{"params": {}}'
space 2 '{"params": {"chunk_sise": [16, 32]}}' chunk_sise "'chunk_size'"
space 2 '{"params": {"chunk_size": []}}' chunk_size
space 2 '{"params": {"chunk_size": [0, 16]}}' chunk_size 0
space 2 '{"params": {"chunk_size": [16, 5000]}}' chunk_size 5000
space 2 '{"params": {"chunk_size": ["x"]}}' chunk_size
space 2 '{"params": {"chunk_size": {"min": 64, "max": 32}}}' chunk_size
space 2 '{"params": {"gemm": ["openblass"]}}' openblass
space 2 '{"params": {"chunk_size": [16, 32]}, "constraint": []}' constraint
space 2 '{"params": {"chunk_size": [16, 32]}, "constraints": ["chunk_sise < 3"]}' \
    chunk_sise
space 2 '{"params": {"chunk_size": [16, 32]}, "constraints": ["chunk_size <"]}' \
    space.json "column 13"
space 2 '{"params": {"chunk_size": [16, 32]}, "constraints": ["chunk_size < 2"]}' constraints
sweep --prompt-file prompt.txt --space gone.json
refused 2 gone.json
check "a refused sweep left a run" test ! -d runs

# -- runs --------------------------------------------------------------------

for word in nowhere folder ids.txt; do
    for verb in "sweep --resume" "runs show" "runs verify" "runs export" \
        "runs resume" "judge --run" "plot --run"; do
        # shellcheck disable=SC2086  # two words
        run $verb $word
        refused 1 "$word"
    done
done
sweep --prompt-file prompt.txt --tag good
code 0
good=$(echo runs/*_good)
run runs verify "$good"
code 0
run profile freeze latest of-good
code 0
check "it is not of the latest run" grep -q "$(basename "$good")" \
    configs/of-good.json
rm -r configs

# A run keeps its trials under another name of its folder.
cp -r "$good" renamed
run sweep --insight renamed --json
code 0
run runs show renamed
prints '3 trials'
check "another sweep in the store" test \
    "$(sqlite3 renamed/trials.db 'SELECT count(*) FROM sweep')" -eq 1

# A start that was killed before it wrote its ration chooses it when it is taken
# up again. What has measured something goes on with what it measured.
unrationed() {
    rm -rf "$1"
    cp -r "$good" "$1"
    sed '/"ration":/,/}/d' "$good/run_meta.json" >"$1/run_meta.json"
    check "the ration is still there" lacks "$1/run_meta.json" '"ration"'
}
unrationed measured
run sweep --resume measured
code 0
check "it has another ration now" lacks measured/run_meta.json '"ration"'
unrationed killed
for table in attempt sample result score event trial; do
    sqlite3 killed/trials.db "DELETE FROM $table"
done
run sweep --resume killed
code 0
check "it has no ration" has killed/run_meta.json '"ration"'

# broken NAME COMMAND...: a copy of the run, broken; each reader says so and
# leaves the file as it is.
broken() {
    name=$1
    shift
    before=$(cksum <"bad/$name")
    for verb in "$@"; do
        # shellcheck disable=SC2086  # words
        run $verb bad
        refused 1 "$name"
    done
    check "$name was changed" test "$before" = "$(cksum <"bad/$name")"
}
spoil() {
    rm -rf bad
    cp -r "$good" bad
}
all="sweep --resume|runs show|runs verify|runs export"
each() {
    name=$1
    IFS='|'
    # shellcheck disable=SC2086  # split at the bars
    set -- $all
    unset IFS
    broken "$name" "$@"
}
spoil
printf 'this is no database, it only has its name' >bad/trials.db
each trials.db
spoil
: >bad/trials.db # a start of a sweep may leave it: only readers refuse
broken trials.db "runs show" "runs verify" "runs export"
spoil
cut_file bad/trials.db 5000
each trials.db
spoil
sqlite3 bad/trials.db 'PRAGMA application_id = 7' 'PRAGMA user_version = 99'
each trials.db
all="sweep --resume"
for text in '' '{' '[]' '{"words": []}' '{"words": ["--new", "x"]}'; do
    spoil
    printf '%s' "$text" >bad/run_meta.json
    run sweep --resume bad
    check "exit code $rc" test "$rc" -eq 1 -o "$rc" -eq 2
    check "not one line: $(head -c 200 err)" is_one_line err
    says run_meta.json
done
spoil
rm bad/run_meta.json
run sweep --resume bad
refused 1 run_meta.json
# The middle of the file: sums and pages do not fit any more.
spoil
dd if=/dev/zero of=bad/trials.db bs=1 seek=12000 count=9000 conv=notrunc 2>/dev/null
run runs verify bad
check "damage in the middle is not seen, exit code $rc" test "$rc" -eq 1 -o "$rc" -eq 5
says trials.db

# What is only exported can be written anew.
spoil
echo '{' >bad/trials.jsonl
run runs verify bad
check "exit code $rc" test "$rc" -eq 1 -o "$rc" -eq 5
says trials.jsonl
run runs export bad
code 0
run runs verify bad
code 0
spoil
printf 'backend\n"' >bad/summary.csv
run plot --run bad
refused 1 summary.csv

# -- profiles ----------------------------------------------------------------

profile=$(find profiles -name '*.json' | head -n 1)
what="the sweep's profile"
check "it was not published" test -n "$profile"
cp "$profile" whole.json
size=$(size_of whole.json)
for bytes in 0 1 $((size / 3)) $((size / 2)) $((size - 3)); do
    head -c "$bytes" whole.json >"$profile"
    run generate --model "$tiny" --prompt-file prompt.txt
    refused 2 "$profile"
    run config show --model "$tiny"
    refused 2 "$profile"
    run config show --model "$tiny" --no-best
    code 0
    head -c "$bytes" whole.json >cut.json
    run config show --model "$tiny" --no-best --config cut.json
    refused 2 cut.json
done
finish
