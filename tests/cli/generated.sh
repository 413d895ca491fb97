#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Help, manual pages, completions and docs/params.md come from the same tables:
# here they are compared with each other, and shown to the programs that read
# them.
. "$(dirname "$0")/lib.sh"

commands=$("$XLTUNE" --help |
    awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on && /^  [a-z]/ { print $1 }')
run manual --out pages
code 0

# The flags of help, one a line.
flags_of() {
    "$XLTUNE" "$1" --help | sed -n 's/^  \(-[-a-z0-9]*\).*/\1/p' | sort -u
}

# -- manual pages -------------------------------------------------------------

for name in $commands; do
    page=pages/xltune-$name.1
    what="page of $name"
    check "there is none" test -s "$page"
    run manual "$name"
    code 0
    check "manual prints another" cmp -s out "$page"
    flags_of "$name" >flags
    check "no flags in help" test -s flags
    sed -n 's/\\-/-/g; s/^\.B \(-[-a-z0-9]*\).*/\1/p' "$page" | sort -u >paged
    check "flags differ from help: $(diff flags paged | tr '\n' ' ')" \
        cmp -s flags paged
    check "not in the program's page" grep -q "xltune.-$name (1)" \
        pages/xltune.1
done
what="manual pages"
check "more pages than commands" test \
    "$(find pages -name '*.1' | wc -l)" -eq "$(($(echo "$commands" | wc -l) + 1))"
groff -man -ww -z -Tutf8 pages/*.1 2>warnings
check "groff: $(head -n 1 warnings)" test ! -s warnings
for page in pages/*.1; do
    groff -man -Tascii -P-bcou "$page" | awk -v p="$page" \
        'length > 80 { print p ": " $0 }'
done >wide
check "a line is too wide: $(head -n 1 wide)" test ! -s wide
for code in 0 1 2 3 4 5 6 7 8 75 130 143; do
    check "no exit code $code" grep -qx ".B $code" pages/xltune.1
done
run manual swep
refused 2 "'swep'"

# -- docs/params.md -----------------------------------------------------------

run manual --params
code 0
check "docs/params.md is stale; xltune manual --params prints it" \
    cmp -s out "$root/docs/params.md"

# -- completion ---------------------------------------------------------------

for shell in bash zsh fish; do
    run completion $shell
    code 0
    check "manual --out wrote another" cmp -s out "pages/xltune.$shell"
    check "$shell refuses it" "$shell" -n "pages/xltune.$shell"
done
run completion csh
refused 2 "'csh'" bash zsh fish
run completion
refused 2 bash

# What bash offers after these words, one a line.
cat >offer.bash <<'END'
source pages/xltune.bash
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_xltune
printf '%s\n' "${COMPREPLY[@]}"
END
offer() {
    what="completion of '$*'"
    bash offer.bash "$@" 2>bash.err | sort -u >offered
    check "bash says $(head -n 1 bash.err)" test ! -s bash.err
}
for name in $commands; do
    flags_of "$name" >flags
    offer xltune "$name" -
    check "flags differ from help: $(diff flags offered | tr '\n' ' ')" \
        cmp -s flags offered
    offer xltune "$(echo "$name" | cut -c1-3)"
    check "the command is not offered" grep -qx "$name" offered
    HOME=$tmp fish -c "source pages/xltune.fish; complete -C 'xltune $name --'" |
        cut -f 1 | grep -e '^--' | sort -u >offered
    grep -e '^--' flags >long
    check "fish differs from help: $(diff long offered | tr '\n' ' ')" \
        cmp -s long offered
done
offer xltune generate --backend s
check "not the backend's names" grep -qx serial offered
offer xltune generate --backend = pa
check "not after an equals sign" grep -qx parallel offered
offer xltune runs e
check "not the verb" grep -qx export offered
mkdir models
offer xltune generate --model mod
check "no folders" grep -qx models offered
finish
