#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the documents tell people to type works. Lines of ```sh blocks that run
# xltune are run in order, in a folder with a checkpoint, a prompt and two
# runs; those of ```sql blocks are put to the store of a run. Commands within
# a sentence, and blocks marked ```sh long, are too slow to run here: their
# command and each of their flags has to be in the program's help.
. "$(dirname "$0")/lib.sh"

mkdir configs
upper_prompt 24 >prompt.txt
cp "$root/judge/text/heldout.txt" my.txt
mkdir other
cp -r "$root/models/demo" other/checkpoint
for tag in a b; do
    run sweep --model "$tiny" --backend serial --prompt-file prompt.txt \
        --trials 3 --new 4 --tag $tag --seed 3
    code 0
done
RUN_A=$(ls -d runs/*_a) RUN_B=$(ls -d runs/*_b)

# Blocks of a document: every line as "KIND<tab>LINE", backslashes joined.
blocks() {
    awk '/^```/ { on = !on; kind = on ? substr($0, 4) : ""; next }
         on && /\\$/ { sub(/\\$/, ""); held = held $0; next }
         on { print kind "\t" held $0; held = "" }' "$1"
}

# The words that stand for a user's own files.
filled() {
    sed "s:\$x :xltune :g; s:\\bRUN_A\\b:$RUN_A:g; s:\\bRUN_B\\b:$RUN_B:g
         s:\\bRUN\\b:$RUN_A:g; s:\\bDIR\\b:$tiny:g; s: *#.*::"
}

xltune() { "$XLTUNE" "$@"; }

# Is each flag of the commands of a line in their help?
flags_exist() {
    echo "$1" | sed 's/ *&& */\n/g' >pieces
    while read -r piece; do
        piece_exists "$piece" "$2"
    done <pieces
}

piece_exists() {
    name=$(echo "$1" | awk '{ print $2 }')
    what="$2: $1"
    case $name in -*) return ;; esac
    check "no command '$name'" xltune "$name" --help >help 2>err </dev/null
    for flag in $(echo "$1" | tr '= ' '\n\n' | sed -n 's/^\(--[a-z][-a-z0-9_]*\).*/\1/p'); do
        check "no flag '$flag'" has help " $(echo "$flag" | tr _ -)"
    done
}

run_line() {
    what="$2: $1"
    eval "$1" >out 2>err </dev/null
    rc=$?
    code 0
}

sql_line() {
    what="$2: $1"
    sqlite3 "$RUN_A/trials.db" "$1" >out 2>err
    rc=$?
    code 0
    case $1 in *failures*) ;; *) check "no row" test -s out ;; esac
}

n_run=0
for document in "$root/README.md" "$root"/docs/*.md; do
    name=$(basename "$document")
    blocks "$document" >lines
    sql=
    while IFS='	' read -r kind line; do
        line=$(echo "$line" | filled)
        case $kind:$line in
        "sh:xltune "*)
            n_run=$((n_run + 1))
            run_line "$line" "$name"
            ;;
        "sh long:xltune "*) flags_exist "$line" "$name" ;;
        sql:*)
            sql="$sql $line"
            case $line in *\;) sql_line "$sql" "$name"; sql= ;; esac
            ;;
        esac
    done <lines
    grep -o '`xltune [^`]*`' "$document" | tr -d '`' >inline
    while read -r line; do
        flags_exist "$(echo "$line" | filled)" "$name"
    done <inline
done

# The example is recorded with all that a picture may need.
awk -F'|' '/^\| picture \| file in RUN/ { on = 1 }
           /^$/ { on = 0 }
           on { print $3 }' "$root/docs/pictures.md" |
    grep -o '`[^`]*`' | tr -d '`' | sort -u >needed
what="runs/example/record.sh"
check "the table of files was not found" test "$(wc -l <needed)" -ge 6
while read -r file; do
    check "it does not keep $file" has "$root/runs/example/record.sh" " $file"
done <needed

what="documents"
check "only $n_run commands were found" test "$n_run" -ge 15

finish
