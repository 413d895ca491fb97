#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, but for bodies of kernels, which say in their
# names that they are compiled by the files that include them. No two have the
# same guard: a file that includes both would silently miss one.
set -eu
cd "$(dirname "$0")/../.."
flags=$(pkg-config --cflags libcjson sqlite3)
bad=0
headers=$(find kernel judge plots tuner tests -name '*.h' | sort)
: "${headers:?no headers found}"
for header in $(echo "$headers" | grep -v -e '_kernel\.h$' \
    -e '_loops\.h$' -e '/panel_[a-z0-9]*\.h$' -e 'kernel/tensor/vec'); do
    # shellcheck disable=SC2086  # flags are words
    echo "#include \"$header\"" | ${CC:-cc} -std=c11 -Wall -Wextra -Werror \
        -D_POSIX_C_SOURCE=200809L -I. $flags -fsyntax-only -x c - || {
        echo "$header does not compile alone"
        bad=1
    }
done
for guard in $(echo "$headers" |
    xargs sed -n 's/^#ifndef \(XL[A-Z0-9_]*_H\)$/\1/p' | sort | uniq -d); do
    echo "$guard guards several headers"
    bad=1
done
exit $bad
