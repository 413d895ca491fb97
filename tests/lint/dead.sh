#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A function that a header offers is named somewhere besides its declaration
# and its definition: what nobody calls, or its own test alone, goes. One table
# of those that are there for tests.
set -eu
cd "$(dirname "$0")/../.."

for_tests() {
    cat <<'TABLE'
xl_evaluator_starts     counts restarts after a crash
xl_history_table        a run as a table that can be replayed
xl_logprob_rows         log-probabilities of logits kept whole
xl_slstm_step_f64       the truth for the cells of sLSTM
xl_strategy_best        where a search stands
xl_strategy_kind_at     every strategy passes the same tests
xl_strategy_kind_name   says which of them failed
xl_table_objective      what was read of a table's first line
xl_theta_fit            the fit of a surrogate in one call
xl_tokenizer_is_special what was read of tokenizer.json
xl_tokenizer_kind       what was read of tokenizer.json
TABLE
}

words() {
    grep -rhoE '\bxl_[a-z0-9_]+' --include='*.[ch]' --include='*.def' \
        kernel judge plots tuner
}

# Prototypes: they begin in the first column, and are no inline bodies.
find kernel judge plots tuner -name '*.h' -exec awk '
    /^[a-z]/ && !/^(static|typedef)/ && prev !~ /^(static|typedef)/ &&
    match($0, /xl_[a-z0-9_]+\(/) { print substr($0, RSTART, RLENGTH - 1) }
    { prev = $0 }' {} + | sort -u >"${TMPDIR:-/tmp}/offered.$$"
# Names that a macro puts together: XL_EXPORT(jsonl, ...) is xl_export_jsonl.
pasted=$(sed -n 's/^XL_EXPORT(\([a-z0-9_]*\),.*/xl_export_\1/p' \
    tuner/store/*.def)
bad=0
for name in $(words | sort | uniq -c | awk '$1 <= 2 { print $2 }' |
    sort | comm -12 - "${TMPDIR:-/tmp}/offered.$$"); do
    case " $(echo $pasted) " in *" $name "*) continue ;; esac
    for_tests | grep -q "^$name " && continue
    echo "$name: nothing calls it"
    bad=1
done
rm -f "${TMPDIR:-/tmp}/offered.$$"
exit $bad
