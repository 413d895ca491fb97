/* SPDX-License-Identifier: Apache-2.0
 *
 * What a space is, for people and machines, and whether a workload can tell
 * its points apart. */
#include <string.h>

#include "kernel/base/json.h"
#include "tuner/space/param_space_int.h"

enum {
    LOOKS = 4096,
    REASONS = 64,
    SHOWN = 12
};

/* -- inert tunables ------------------------------------------------------- */

struct inert {
    enum xl_param id;
    const char *reason;
    size_t seen; /* members looked at where it holds */
};

struct inert_list {
    struct inert rows[REASONS];
    size_t n, looks;
};

static void note(struct inert_list *list, enum xl_param id, const char *reason)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->rows[i].id == id &&
            strcmp(list->rows[i].reason, reason) == 0) {
            list->rows[i].seen++;
            return;
        }
    }
    if (list->n < REASONS)
        list->rows[list->n++] =
            (struct inert){ .id = id, .reason = reason, .seen = 1 };
}

/* Looks at up to LOOKS members, evenly spread. */
static void find_inert(const struct xl_param_space *ps, struct inert_list *list)
{
    const struct xl_space *space = ps->space;
    uint32_t point[XL_SPACE_DIMS];
    struct xl_params params = ps->base;
    struct xl_rng rng;
    uint64_t count = xl_space_count(space);
    xl_rng_seed(&rng, 1);
    *list = (struct inert_list){ 0 };
    if (!ps->rules.inert)
        return;
    for (uint64_t i = 0; i < LOOKS && i < count; i++) {
        if (!xl_space_is_counted(space)) {
            if (!xl_space_sample(space, &rng, point))
                return;
        } else {
            xl_space_at(space, count <= LOOKS ? i : count / LOOKS * i, point);
        }
        list->looks++;
        for (size_t d = 0; d < ps->n_sweeps; d++)
            params.value[ps->sweeps[d].id] = ps->sweeps[d].values[point[d]];
        for (size_t d = 0; d < ps->n_sweeps; d++) {
            const char *reason =
                ps->rules.inert(ps->rules.config, &params, ps->sweeps[d].id);
            if (reason)
                note(list, ps->sweeps[d].id, reason);
        }
    }
}

/* -- printing ------------------------------------------------------------- */

static void print_values(const struct xl_sweep *sweep, struct xl_buf *out)
{
    for (size_t i = 0; i < sweep->n; i++) {
        if (sweep->n > SHOWN && i == SHOWN - 2) {
            xl_buf_text(out, " ...");
            i = sweep->n - 1;
        }
        xl_buf_printf(out, " %s", sweep->labels[i]);
    }
}

void xl_param_space_print(const struct xl_param_space *ps, struct xl_buf *out)
{
    struct inert_list inert;
    const struct xl_space *space = ps->space;
    find_inert(ps, &inert);
    for (size_t d = 0; d < ps->n_sweeps; d++) {
        const struct xl_sweep *sweep = &ps->sweeps[d];
        xl_buf_printf(out, "%-15s %4zu %s", xl_param_row(sweep->id)->name,
                      sweep->n, sweep->n == 1 ? "value: " : "values:");
        print_values(sweep, out);
        xl_buf_char(out, '\n');
    }
    for (size_t i = 0; i < ps->n_constraints; i++)
        xl_buf_printf(out, "constraint: %s\n", ps->constraint_texts[i]);
    for (size_t i = 0; i < ps->n_left_out; i++)
        xl_buf_printf(out, "left out: %s: %s\n",
                      xl_param_row(ps->left_out[i].id)->name,
                      ps->left_out[i].reason);
    for (size_t i = 0; i < inert.n; i++)
        xl_buf_printf(out, "inert in %zu of %zu points: %s: %s\n",
                      inert.rows[i].seen, inert.looks,
                      xl_param_row(inert.rows[i].id)->name,
                      inert.rows[i].reason);
    xl_buf_printf(out, "%llu combinations, %s%llu distinct legal points\n",
                  (unsigned long long)xl_space_raw(space),
                  xl_space_is_counted(space) ? "" : "about ",
                  (unsigned long long)xl_space_count(space));
}

static void add_dim(cJSON *dims, const struct xl_sweep *sweep)
{
    const struct xl_param_row *row = xl_param_row(sweep->id);
    cJSON *dim = cJSON_CreateObject();
    cJSON *values = cJSON_CreateArray();
    cJSON *holder = cJSON_CreateObject();
    cJSON_AddStringToObject(dim, "name", row->name);
    cJSON_AddStringToObject(dim, "kind",
                            row->kind == XL_KIND_INT ? "ordered" : "nominal");
    for (size_t i = 0; i < sweep->n; i++) {
        xl_param_add_json(holder, sweep->id, sweep->values[i]);
        cJSON_AddItemToArray(values,
                             cJSON_DetachItemFromObject(holder, row->name));
    }
    cJSON_AddItemToObject(dim, "values", values);
    cJSON_AddItemToArray(dims, dim);
    cJSON_Delete(holder);
}

static void add_reason(cJSON *list, enum xl_param id, const char *reason,
                       const size_t *points)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "name", xl_param_row(id)->name);
    cJSON_AddStringToObject(row, "reason", reason);
    if (points)
        cJSON_AddNumberToObject(row, "points", (double)*points);
    cJSON_AddItemToArray(list, row);
}

cJSON *xl_param_space_json(const struct xl_param_space *ps)
{
    struct inert_list inert;
    cJSON *root = cJSON_CreateObject();
    if (!root)
        return NULL;
    find_inert(ps, &inert);
    cJSON *dims = cJSON_AddArrayToObject(root, "dims");
    for (size_t d = 0; d < ps->n_sweeps; d++)
        add_dim(dims, &ps->sweeps[d]);
    cJSON_AddNumberToObject(root, "raw", (double)xl_space_raw(ps->space));
    cJSON_AddNumberToObject(root, "points", (double)xl_space_count(ps->space));
    cJSON_AddBoolToObject(root, "exact", xl_space_is_counted(ps->space));
    cJSON *list = cJSON_AddArrayToObject(root, "inert");
    for (size_t i = 0; i < inert.n; i++)
        add_reason(list, inert.rows[i].id, inert.rows[i].reason,
                   &inert.rows[i].seen);
    list = cJSON_AddArrayToObject(root, "left_out");
    for (size_t i = 0; i < ps->n_left_out; i++)
        add_reason(list, ps->left_out[i].id, ps->left_out[i].reason, NULL);
    list = cJSON_AddArrayToObject(root, "constraints");
    for (size_t i = 0; i < ps->n_constraints; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(ps->constraint_texts[i]));
    return root;
}

/* -- exercise ------------------------------------------------------------- */

static enum xl_status check_phase(const struct xl_sweep *sweep, unsigned phases,
                                  struct xl_err *err)
{
    const struct xl_param_row *row = xl_param_row(sweep->id);
    if (sweep->n == 1 || ((unsigned)row->phase & phases))
        return XL_OK;
    return xl_fail(err, XL_EUSAGE,
                   "%s changes %s only, which the objective "
                   "does not measure; sweep something else or choose another "
                   "objective",
                   row->name,
                   row->phase == XL_PHASE_PREFILL ? "prefill" : "decode");
}

/* Values that reach the prompt's length give one piece, whatever they are. */
static enum xl_status check_tokens(const struct xl_sweep *sweep, size_t tokens,
                                   struct xl_err *err)
{
    const struct xl_param_row *row = xl_param_row(sweep->id);
    size_t reach = 0;
    for (size_t i = 0; i < sweep->n; i++)
        reach += (uint64_t)sweep->values[i] >= tokens;
    if (reach >= 2)
        return xl_fail(err, XL_EUSAGE,
                       "%zu values of %s act alike, because "
                       "they reach the prompt's %zu tokens; give a prompt of "
                       "more than %lld tokens or smaller values",
                       reach, row->name, tokens,
                       (long long)sweep->values[sweep->n - 2]);
    if (sweep->id == XL_PARAM_CHUNK_SIZE && sweep->n > 1 &&
        tokens / 2 < (uint64_t)sweep->values[0])
        return xl_fail(err, XL_EUSAGE,
                       "the prompt's %zu tokens are less than "
                       "two chunks of the smallest chunk_size, %lld; give a "
                       "prompt of at least %lld tokens",
                       tokens, (long long)sweep->values[0],
                       (long long)sweep->values[0] * 2);
    return XL_OK;
}

/* A tunable that is inert in every member is swept by no one. */
static enum xl_status check_read(const struct xl_param_space *ps,
                                 const struct xl_sweep *sweep,
                                 const struct inert_list *inert,
                                 struct xl_err *err)
{
    size_t seen = 0;
    const char *reason = "";
    for (size_t i = 0; i < inert->n; i++) {
        if (inert->rows[i].id == sweep->id) {
            seen += inert->rows[i].seen;
            reason = inert->rows[i].reason;
        }
    }
    if (sweep->n == 1 || !seen || seen < inert->looks || !sweep->is_asked ||
        xl_space_count(ps->space) > LOOKS)
        return XL_OK;
    return xl_fail(err, XL_EUSAGE,
                   "%s has no effect at any point of the "
                   "space: %s",
                   xl_param_row(sweep->id)->name, reason);
}

enum xl_status xl_param_space_exercise(const struct xl_param_space *ps,
                                       const struct xl_workload *workload,
                                       struct xl_err *err)
{
    unsigned phases = workload->phases ? workload->phases : XL_PHASE_BOTH;
    struct inert_list inert;
    if ((phases & XL_PHASE_PREFILL) && !workload->prompt_tokens)
        return xl_fail(err, XL_EUSAGE,
                       "there is no prompt to measure prefill "
                       "with");
    if ((phases & XL_PHASE_DECODE) && workload->new_tokens < 2)
        return xl_fail(err, XL_EUSAGE,
                       "decode cannot be measured on %zu new "
                       "tokens; give --new 2 or more",
                       workload->new_tokens);
    find_inert(ps, &inert);
    for (size_t d = 0; d < ps->n_sweeps; d++) {
        const struct xl_sweep *sweep = &ps->sweeps[d];
        XL_TRY(check_phase(sweep, phases, err));
        XL_TRY(check_read(ps, sweep, &inert, err));
        if (xl_sweep_counts_tokens(sweep->id))
            XL_TRY(check_tokens(sweep, workload->prompt_tokens, err));
    }
    return XL_OK;
}
