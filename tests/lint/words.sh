#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Library code neither prints nor exits: only cmd_*.c, main.c and tuner/top
# may. No code is left for later, and no global fast-math creeps in.
set -eu
cd "$(dirname "$0")/../.."
bad=0
complain() {
    if [ -n "$2" ]; then
        echo "$1:"
        echo "$2"
        bad=1
    fi
}
sources=$(find kernel judge plots tuner -name '*.[ch]' | sort)
: "${sources:?no sources found}"
library=$(echo "$sources" |
    grep -v -e '/cmd_[a-z_]*\.c$' -e '/main\.c$' -e '^tuner/top/' \
        -e '^kernel/base/cmd\.c$')
complain "library code prints or exits" "$(echo "$library" | xargs grep -nE \
    '(^|[^a-z_])(printf|puts|putchar|perror|exit|abort)\(' |
    grep -vE ':[0-9]+: \*' || true)"
complain "library code writes to a standard stream" \
    "$(echo "$library" | xargs grep -nE '\b(stdout|stderr)\b' || true)"
complain "unbounded or unsafe calls" "$(echo "$sources" | xargs grep -nE \
    '(^|[^a-z_])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atof|alloca)\(' ||
    true)"
complain "the heap has one door, kernel/base/alloc" "$(echo "$sources" |
    grep -v 'kernel/base/alloc\.c' |
    xargs grep -nE '(^|[^a-z_])(malloc|calloc|realloc)\(' || true)"
complain "structs, enums and unions go by their own names" \
    "$(echo "$sources" |
        xargs grep -nE '^typedef (struct|enum|union)\b[^(]*[;{]$' || true)"
complain "left for later" "$(grep -rnE 'TODO|FIXME|\bXXX\b|#if 0' \
    --include='*.[ch]' --include='*.def' --include='*.sh' --include='*.gp' \
    --exclude=words.sh --exclude=help.sh \
    kernel judge plots tuner runs tests docs || true)"
complain "missing licence line" "$(for f in $sources; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"
done)"
complain "global fast-math" "$(grep -rn 'ffast-math' \
    --include=CMakeLists.txt --include='*.cmake' \
    CMakeLists.txt cmake kernel judge plots tuner tests || true)"
exit $bad
