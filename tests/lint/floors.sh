#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A file includes its own floor and those below it; nothing includes tests/.
# One table: room, then the rooms it may include (itself included).
# Lists (.def) are data and may be included from anywhere.
set -eu
cd "$(dirname "$0")/../.."

table() {
    cat <<'TABLE'
kernel/         kernel/
kernel/base/    kernel/base/
kernel/guard/   kernel/base/ kernel/guard/
kernel/param/   kernel/base/ kernel/param/
kernel/tensor/  kernel/base/ kernel/param/ kernel/tensor/
kernel/gemm/    kernel/base/ kernel/param/ kernel/tensor/ kernel/gemm/
kernel/cell/    kernel/base/ kernel/param/ kernel/tensor/ kernel/cell/
kernel/chunk/   kernel/base/ kernel/param/ kernel/tensor/ kernel/gemm/ kernel/cell/ kernel/chunk/
kernel/model/   kernel/base/ kernel/guard/ kernel/param/ kernel/tensor/ kernel/gemm/ kernel/cell/ kernel/chunk/ kernel/model/
kernel/text/    kernel/base/ kernel/guard/ kernel/param/ kernel/tensor/ kernel/gemm/ kernel/cell/ kernel/chunk/ kernel/text/
kernel/run/     kernel/
judge/          kernel/ judge/
plots/          kernel/base/ plots/
tuner/          kernel/ judge/ plots/ tuner/
TABLE
}

bad=0
table >"${TMPDIR:-/tmp}/floors.$$"
while read -r room allowed; do
    for file in $(find "$room" -name '*.[ch]' | sort); do
        for target in $(sed -n 's/^# *include "\([^"]*\.h\)".*/\1/p' "$file"); do
            fits=no
            for prefix in $allowed; do
                case $target in "$prefix"*) fits=yes ;; esac
            done
            # Headers made by the build carry no folder.
            case $target in */*) ;; *) fits=yes ;; esac
            if [ $fits = no ]; then
                echo "$file includes $target, which is not on a floor below"
                bad=1
            fi
        done
    done
done <"${TMPDIR:-/tmp}/floors.$$"
rm -f "${TMPDIR:-/tmp}/floors.$$"

# Private headers stay inside their folder.
for file in $(find kernel judge plots tuner -name '*.[ch]' | sort); do
    for target in $(sed -n 's/^# *include "\([^"]*_int\.h\)".*/\1/p' "$file"); do
        if [ "$(dirname "$target")" != "$(dirname "$file")" ]; then
            echo "$file includes $target, which is private to its folder"
            bad=1
        fi
    done
done
exit $bad
