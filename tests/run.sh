#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests: installs what is missing, builds with gcc and clang (warnings are
# errors) and with sanitizers, runs the unit, cross, command-line and lint
# tests. Ends with "N passed, N failed". `sh tests/run.sh quick` leaves the
# sanitizer and clang builds out.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/runs/setup.sh"
quick=${1:-}

passed=0
failed=0

# Adds the closing line of a runner to the sums; prints what failed.
count() {
    name=$1
    log=$2
    last=$(tail -n 1 "$log")
    p=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1/p')
    f=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\2/p')
    if [ -z "$p" ]; then
        tail -n 20 "$log"
        echo "$name: ended without its sums"
        p=0
        f=1
    elif [ "$f" -ne 0 ]; then
        cat "$log"
    fi
    echo "$name: $p passed, $f failed, $(($(date +%s) - began)) s"
    passed=$((passed + p))
    failed=$((failed + f))
}

# run NAME COMMAND...: a runner with a closing line of sums.
run() {
    name=$1
    shift
    began=$(date +%s)
    "$@" >"$logs/log" 2>&1 || true
    count "$name" "$logs/log"
}

# run_halves NAME COMMAND...: xl_tests in two processes, each with every other
# case and a home of its own.
run_halves() {
    halves=$1
    shift
    began=$(date +%s)
    for half in 1 2; do
        env -u XLTUNE_PROFILES XL_TEST_PART=$half/2 "$@" \
            >"$logs/half$half" 2>&1 &
    done
    wait
    count "$halves, one half" "$logs/half1"
    count "$halves, the other" "$logs/half2"
}

# check NAME COMMAND...: one test, passed when it exits with 0. In a shell of its
# own, which a command may end.
check() {
    name=$1
    shift
    began=$(date +%s)
    if ("$@") >"$logs/out" 2>&1; then
        echo "1 passed, 0 failed" >"$logs/log"
    else
        cp "$logs/out" "$logs/log"
        echo "0 passed, 1 failed" >>"$logs/log"
    fi
    count "$name" "$logs/log"
}

logs=$(mktemp -d)
chmod 755 "$logs" # a test reads a store there as another user
trap 'rm -rf "$logs"' EXIT
TMPDIR=$logs
XLTUNE_PROFILES=$logs/profiles
export TMPDIR XLTUNE_PROFILES
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
# The first report of a race or a bad access ends the program.
export TSAN_OPTIONS=halt_on_error=1

install_packages clang clang-format-14 libclang-rt-14-dev sqlite3 zsh fish \
    groff-base g++ dpkg-dev binutils file
(install_packages chromium) ||
    say "no chromium to be had: the report is not shown in a browser"
cd "$root"

for lint in tests/lint/*.sh; do
    check "lint/$(basename "$lint" .sh)" sh "$lint"
done

build_preset ci
run_halves "unit and cross tests" build/ci/tests/xl_tests
for script in tests/cli/*.sh; do
    case $script in */lib.sh) continue ;; esac
    run "cli/$(basename "$script" .sh)" \
        env XLTUNE="$root/build/ci/xltune" sh "$script"
done

if [ "$quick" != quick ]; then
    build_preset asan
    run_halves "address and undefined behaviour" \
        env XL_TEST_SMALL=1 build/asan/tests/xl_tests
    build_preset tsan xl_tests
    run "threads" env XL_TEST_SMALL=1 build/tsan/tests/xl_tests \
        pool steal/ chunk/ teams/ pieces_and_steps decode_workers
    check "clang without warnings" build_preset clang
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
