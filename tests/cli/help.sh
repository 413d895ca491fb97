#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Help as people read it: every command is listed and explained, its example
# runs as it stands, wrong words name the nearest right one.
. "$(dirname "$0")/lib.sh"

# Examples are pasted into a shell where the program is called xltune.
mkdir bin
ln -s "$XLTUNE" bin/xltune
PATH=$tmp/bin:$PATH
mkdir models
ln -s "$root/models/demo" models/demo
ln -s "$root/README.md" README.md
cp "$root/runs/prompts/demo.txt" prompt.txt
echo 1 2 3 4 5 >ids.txt

run --help
code 0
cp out program.help
fits() { [ -z "$(awk 'length($0) > 80' "$1")" ]; }
check "lines over 80 columns" fits out
commands=$(awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on && /^  [a-z]/ { print $1 }' out)
what=commands
for name in sweep bench judge plot profile config runs generate score logits \
    tokenize detokenize inspect synth kernels; do
    check "--help does not list $name" test -n \
        "$(echo "$commands" | grep -x "$name")"
done
for words in -h help; do
    run "$words"
    code 0
    check "not the program's help" cmp -s out program.help
done
run
code 2
run --version
code 0
cp out program.version
prints "xltune "
check "no version number" grep -qE '^xltune [0-9]+\.[0-9]+\.[0-9]+$' out
run version
code 0

# What a table of rows names; \1 is the name.
rows_of() { sed -n 's/^ *\(.*\.name = \|XL_[A-Z_]*([A-Z_]*, *\)"\([a-z_-]*\)".*/\2/p' "$1"; }
tunables=$(rows_of "$root/kernel/param/param.def")

# mentions FLAG: a line of help begins with it.
mentions() {
    flag=--$(echo "$1" | tr _ -)
    [ "${#1}" -eq 1 ] && flag=-$1
    grep -qE "^  $flag( |\$)" out
}

all_help=
for name in $commands; do
    run "$name" --help
    code 0
    check "lines over 80 columns" fits out
    cp out "$name.help"
    check "no usage line" grep -q "^Usage: xltune $name" out
    check "nothing on stderr" test ! -s err
    for source in "$root"/*/*/cmd_"$name".c "$root"/*/cmd_"$name".c; do
        [ -f "$source" ] || continue
        for flag in $(rows_of "$source"); do
            echo "$commands" | grep -qx "$flag" && continue
            check "no line for --$flag" mentions "$flag"
        done
    done
    for flag in help version json quiet; do
        check "no line for --$flag" mentions $flag
    done
    if grep -q -- '--model DIR' out && grep -q '^  --chunk-size' out; then
        for flag in $tunables; do
            [ "$name-$flag" = sweep-backend ] || check "no line for --$flag" \
                mentions "$flag"
        done
    fi
    run help "$name"
    code 0
    check "'help $name' differs" cmp -s out "$name.help"
    run "$name" -h
    check "'$name -h' differs" cmp -s out "$name.help"
    run "$name" --version
    code 0
    check "'$name --version' differs" cmp -s out program.version
    all_help="$all_help $name.help"
done
what="sweep --help"
cp sweep.help out
for flag in $(rows_of "$root/tuner/sweep/option.def"); do
    check "no line for --$flag" mentions "$flag"
done

# It speaks of what there is.
run kernels
what="words in help"
for word in 'not implemented' 'not yet' 'coming' TODO FIXME 'later version' \
    'for now' 'unsupported' 'stub' 'placeholder' 'in the future'; do
    # shellcheck disable=SC2086  # names of files
    found=$(cat out program.help $all_help | grep -i -m 1 -e "$word")
    check "'$word' in '$found'" test -z "$found"
done

# -- examples -----------------------------------------------------------------

example_of() { sed -n '/^Example:/ { n; s/^  //; p; q; }' "$1.help"; }

# A run for the examples that read one, and its name in the place of theirs.
run sweep --model "$tiny" --mode random --trials 3 --repeats 2 --rounds 2 \
    --new 4 --prompt "$(upper_prompt 24)" --tag example
code 0
folder=$(echo runs/*_example)
for name in $commands; do
    line=$(example_of "$name")
    what="example '$line'"
    check "it does not begin with the program" test -n \
        "$(echo "$line" | grep -E "(^|\\| )xltune $name( |\$)")"
    case $name in
    sweep) line="$line --dry-run" ;;
    synth) line=$(echo "$line" | sed 's/125m/demo/') ;;
    bench) line="$line --repeats 2" ;;
    esac
    line=$(echo "$line" | sed "s,runs/[a-z]*_[0-9]*_[0-9]*,$folder,")
    sh -c "$line" >out 2>err </dev/null
    rc=$?
    code 0
    check "it prints nothing" test -s out -o "$name" = synth -o "$name" = logits
done
check "y.npy is not there" test -s y.npy

# -- wrong words --------------------------------------------------------------

run swep
refused 2 "'swep'" "'sweep'"
run generat --prompt A
refused 2 "'generate'"
run nonsense
refused 2 nonsense --help
for name in $commands; do
    run "$name" --qiet
    refused 2 "'--qiet'" "'--quiet'"
    run "$name" --jsn
    refused 2 "'--json'"
    run "$name" --json=yes
    refused 2 "'--json'" value
    [ "$name" = pack ] && continue # a checkpoint may be called so
    run "$name" nonsense
    refused 2 "'nonsense'"
done
run sweep --trails 3
refused 2 "'--trails'" "'--trials'"
run generate --max-new-tokenz 3
refused 2 "'--max-new-tokens'"
run generate --prompt A --max-new-tokens
refused 2 max-new-tokens value
run generate --prompt A --max-new-tokens many
refused 2 many integer
run generate --prompt A --max-new-tokens -1
refused 2 bounds
run sweep --generations 0
refused 2 "1 to 1000000"
run generate --prompt A --temperature warm
refused 2 warm number
run generate --prompt A --temperature nan
refused 2 nan
run generate --prompt A --chunk-sise 3
refused 2 "chunk"
run generate --prompt A --param chunk_sise=3
refused 2 "'chunk_size'"
run generate --prompt A --param chunk_size
refused 2 chunk_size name=value
run generate --prompt A --gemm openblass
refused 2 openblass "'openblas'"
run generate --prompt A --backend paralel
refused 2 paralel "'parallel'"
run generate --prompt A --tile-av 8by8
refused 2 8by8
run config explain chunk_sise
refused 2 "'chunk_size'"
run config shwo
refused 2 "'show'"
run runs lst
refused 2 "'list'"
run profile shw
refused 2 "'show'"
run synth --preset dmo --out x
refused 2 dmo "'demo'"
run judge --text prompt.txt --tier exakt
refused 2 exakt "'exact'"
run judge --text prompt.txt -o cvs
refused 2 "'-o cvs'" "'csv'"
run bench -o xml
refused 2 "'-o xml'" ndjson

# -- spellings ----------------------------------------------------------------

# same WORDS A, WORDS B: both print the same greedy text.
same() {
    # shellcheck disable=SC2086  # words
    run generate --model "$tiny" --prompt AB --quiet $1
    code 0
    cp out first
    # shellcheck disable=SC2086  # words
    run generate --prompt AB --quiet $2
    code 0
    check "'$1' and '$2' differ" cmp -s first out
}
same "--max-new-tokens 7" "--model_path $tiny --max_new_tokens 7"
same "--max-new-tokens 7" "--model-path=$tiny --max_new_tokens=7"
same "--max-new-tokens 7" "--model $tiny --new 7 --chunk_size 3"
same "--max-new-tokens 7" "--model=$tiny --new=7 --param chunk_size=5"
same "--max-new-tokens 7 --backend actors" "--model $tiny --new 7 --backend ray"
finish
