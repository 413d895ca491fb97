#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No file over 600 lines, no header over 200, no function over 80. A function
# ends at a closing brace in column one; it begins at the opening one.
set -eu
cd "$(dirname "$0")/../.."
bad=0
files=$(find kernel judge plots tuner tests docs -name '*.[ch]' | sort)
: "${files:?no sources found}"
for file in $files; do
    lines=$(wc -l <"$file")
    most=600
    case $file in *.h) most=200 ;; esac
    case $file in *_kernel.h | *_loops.h | */panel_*.h) most=600 ;; esac # bodies of kernels
    if [ "$lines" -gt $most ]; then
        echo "$file has $lines lines, more than $most"
        bad=1
    fi
    awk -v file="$file" '
        /^{/ { start = NR }
        /^}/ { if (start && NR - start > 80) {
                   print file ":" start ": function of " NR - start " lines"
                   found = 1
               }
               start = 0 }
        END { exit found }' "$file" || bad=1
done
exit $bad
