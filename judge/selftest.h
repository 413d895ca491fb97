/* SPDX-License-Identifier: Apache-2.0
 *
 * Does this judge find what it is there to find?
 *
 * Faults as kernels really make them are planted into running computations:
 * into a model's weights, into packed scales, into the state between two
 * passes, into the tokens or the logits. Each must be refused by the gate
 * that claims it; and what is sound must pass the tier that its number
 * formats promise.
 *
 *     struct xl_selftest_result results[XL_SELFTEST_COUNT];
 *     XL_TRY(xl_judge_selftest(&spec, results, err));
 *     for (...)
 *         if (!results[i].ok)
 *             ... results[i].said ...
 */
#ifndef XL_SELFTEST_H
#define XL_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>

#include "judge/gate.h"
#include "kernel/base/err.h"

enum xl_selftest_id {
#define XL_SOUND(id, name, params, tier) XL_SOUND_##id,
#define XL_FAULT(id, name, params, gate) XL_FAULT_##id,
#include "judge/fault.def"
    XL_SELFTEST_COUNT
};

struct xl_selftest_result {
    const char *name;  /* what was planted, or which build is sound */
    const char *claim; /* score whose gate must refuse it; NULL = must pass */
    bool ok;
    bool is_known; /* value and bound of the claiming gate */
    double value, bound;
    enum xl_tier tier;
    enum xl_verdict verdict;
    size_t tokens;    /* seen before the verdict */
    size_t n_gates;   /* that refused it */
    bool is_left_out; /* not of the number format, or the text, tested */
    char said[XL_REASON_ROOM];
};

struct xl_selftest_spec {
    const char *model_dir;
    const char *params; /* a number format, as in fault.def, to plant faults
                           into: then any gate may refuse one; or NULL */
    size_t tokens;      /* of the text; at least 4608, or faults far into a text
                           cannot be planted. 0 = 4608 */
    /* Called before each; may be NULL. */
    void (*progress)(void *ctx, const char *name);
    void *progress_ctx;
};

/* One result a row of fault.def, in its order. An error means that the test
 * could not be made, not that a fault was missed. */
enum xl_status
xl_judge_selftest(const struct xl_selftest_spec *spec,
                  struct xl_selftest_result results[XL_SELFTEST_COUNT],
                  struct xl_err *err);

/* Reads the params column of fault.def. */
enum xl_status xl_selftest_params(struct xl_params *params, const char *words,
                                  struct xl_err *err);

#endif
