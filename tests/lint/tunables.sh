#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A tunable that the plan never reads would be swept for nothing, in silence:
# every row of param.def is read in plan.c as value[XL_PARAM_ID]. The check is
# shown a row that nobody reads first.
set -eu
cd "$(dirname "$0")/../.."

# Rows of a list that plan.c, without its comments, does not read: what is
# assigned to is not read.
unread() {
    sed -n 's/^XL_PARAM(\([A-Z0-9_]*\),.*/\1/p' | while read -r id; do
        sed 's|/\*.*\*/||' kernel/model/plan.c |
            grep -E "value\[XL_PARAM_$id\]" |
            grep -qvE "value\[XL_PARAM_$id\] = " || echo "$id"
    done
}

if [ "$(echo 'XL_PARAM(NOBODYS, "nobodys", ...)' | unread)" != NOBODYS ]; then
    echo "a tunable that nobody reads is not seen"
    exit 1
fi
rows=$(grep -c '^XL_PARAM(' kernel/param/param.def)
missing=$(unread <kernel/param/param.def)
if [ "$rows" -eq 0 ] || [ -n "$missing" ]; then
    echo "of $rows tunables, plan.c reads these never:" $missing
    exit 1
fi
