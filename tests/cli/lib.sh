# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it. $XLTUNE is the program. Makes a fresh
# folder, goes there, gives the program profiles and a cache of its own in it.
#
#     run score --text-file x        # -> out, err, $rc
#     code 1; says 'cannot read'
#     check "a file appears" test -f x
#     finish
#
# A failed check prints one line; finish prints the sum and exits.
set -u
: "${XLTUNE:?the path of the program}"
case $XLTUNE in /*) ;; *) XLTUNE=$PWD/$XLTUNE ;; esac
if [ ! -x "$XLTUNE" ]; then
    echo "there is no program '$XLTUNE'"
    echo "0 passed, 1 failed"
    exit 1
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
script=$(basename "$0")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/xltune-cli-XXXXXX") || exit 1
trap 'chmod -R u+w "$tmp" 2>/dev/null; rm -rf -- "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
cd "$tmp" || exit 1
XLTUNE_PROFILES=$tmp/profiles
XDG_CACHE_HOME=$tmp/cache
unset XLTUNE_CACHE
export XLTUNE_PROFILES XDG_CACHE_HOME
tiny=$root/tests/data/models/tiny
passed=0
failed=0
what=

fail() {
    failed=$((failed + 1))
    echo "$script: $what: $*"
}

# check SENTENCE COMMAND...: the command has to succeed.
check() {
    sentence=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        fail "$sentence"
    fi
}

# Runs the program; its words name the checks that follow.
run() {
    what=$(echo "xltune $*" | cut -c1-90)
    "$XLTUNE" "$@" >out 2>err </dev/null
    rc=$?
}

# The same with standard input from a file.
run_from() {
    from=$1
    shift
    what=$(echo "xltune $* <$from" | cut -c1-90)
    "$XLTUNE" "$@" >out 2>err <"$from"
    rc=$?
}

# code N: the exit code of the last run.
code() {
    if [ "$rc" -eq "$1" ]; then
        passed=$((passed + 1))
    else
        fail "exit code $rc, not $1: $(head -n 1 err)"
    fi
}

has() { grep -qF -e "$2" "$1"; }
lacks() { ! grep -qF -e "$2" "$1"; }
is_one_line() { [ "$(wc -l <"$1")" -eq 1 ]; }

# Standard error, standard output hold a text.
says() { check "stderr lacks '$1': $(head -n 1 err)" has err "$1"; }
prints() { check "stdout lacks '$1'" has out "$1"; }

# refused N TEXT...: exit code N, one line on standard error that holds each
# text, nothing on standard output.
refused() {
    code "$1"
    shift
    check "not one line on stderr: $(head -c 200 err)" is_one_line err
    check "something on stdout" test ! -s out
    for text in "$@"; do
        says "$text"
    done
}

# A prompt of only bytes below 97, the vocabulary of 'tiny': $1 times 22.
upper_prompt() {
    i=0
    while [ $i -lt "$1" ]; do
        printf 'THE QUICK BROWN FOX 42'
        i=$((i + 1))
    done
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}
