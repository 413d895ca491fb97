/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/cmd_sweep_print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cmd_print.h"
#include "kernel/base/json.h"
#include "tuner/store/query.h"
#include "tuner/sweep/attempt.h"

const char *xl_sweep_short_params(const struct xl_param_space *of,
                                  const struct xl_params *params, char *out,
                                  size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    const struct xl_space *space = xl_param_space_space(of);
    for (size_t d = 0; d < xl_space_n_dims(space) && used < room; d++) {
        char text[XL_VALUE_ROOM];
        enum xl_param id = xl_param_space_param(of, d);
        if (xl_space_dim(space, d)->n < 2)
            continue;
        int n = snprintf(out + used, room - used, "%s%s=%s", used ? " " : "",
                         xl_param_row(id)->name,
                         xl_param_format(id, params->value[id], text));
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

/* -- lines ---------------------------------------------------------------- */

enum {
    WIDTH = 79,
    INDENT = 9,
    MOST_REASONS = 6 /* kinds of them that are said */
};

/* Where a line is best broken so that no more than `room` letters stand before:
 * at a space, but not within brackets. 0 = nowhere. */
static size_t find_break(const char *line, size_t room)
{
    size_t depth = 0, best = 0;
    for (size_t i = 0; i <= room; i++) {
        depth += line[i] == '[';
        depth -= line[i] == ']' && depth > 0;
        if (line[i] == ' ' && depth == 0)
            best = i;
    }
    return best;
}

static bool is_command(const char *line, size_t n)
{
    const char *at = strstr(line, "xltune ");
    return at && at < line + n;
}

/* One line of n letters. */
static void put_line(const char *line, size_t n)
{
    size_t room = WIDTH;
    while (n > room && !is_command(line, n)) {
        size_t cut = find_break(line, room);
        if (cut <= INDENT)
            break; /* a word that is longer than a line */
        printf("%.*s\n%*s", (int)cut, line, INDENT, "");
        line += cut + 1;
        n -= cut + 1;
        room = WIDTH - INDENT;
    }
    printf("%.*s\n", (int)n, line);
}

void xl_sweep_print_wrapped(const char *text)
{
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        put_line(text, n);
        text += n + (end != NULL);
    }
}

/* -- why trials failed ---------------------------------------------------- */

size_t xl_sweep_is_refusal(const char *reason)
{
    size_t n = strlen(XL_REFUSED);
    if (strncmp(reason, XL_REFUSED, n) != 0)
        return 0;
    const char *colon = strstr(reason + n, ": ");
    return colon ? (size_t)(colon - reason) + 2 : n;
}

/* Reasons of one kind: alike but for their figures. */
struct kind {
    char reason[XL_RUN_REASON];
    enum xl_trial_state state;
    size_t n;
};

struct kinds {
    struct kind items[MOST_REASONS];
    size_t n, others;
};

static bool is_figure(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+';
}

static bool are_alike(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (is_figure(*a))
            a++;
        while (is_figure(*b))
            b++;
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

static enum xl_status count_reason(void *ctx, const struct xl_store_trial *row,
                                   struct xl_err *err)
{
    struct kinds *kinds = ctx;
    size_t i = 0;
    (void)err;
    if (!row->reason || !row->reason[0])
        return XL_OK;
    while (i < kinds->n && !(kinds->items[i].state == row->state &&
                             are_alike(kinds->items[i].reason, row->reason)))
        i++;
    if (i == MOST_REASONS) {
        kinds->others++;
        return XL_OK;
    }
    struct kind *kind = &kinds->items[i];
    if (i == kinds->n) {
        kind->state = row->state;
        snprintf(kind->reason, sizeof kind->reason, "%s", row->reason);
        kinds->n++;
    }
    kind->n++;
    return XL_OK;
}

static enum xl_status print_reasons(const struct xl_sweep_report *r,
                                    struct xl_buf *out, struct xl_err *err)
{
    struct kinds kinds = { .n = 0 };
    XL_TRY(xl_query_trials(r->store, 0, count_reason, &kinds, err));
    for (size_t i = 0; i < kinds.n; i++) {
        const struct kind *kind = &kinds.items[i];
        size_t skip = xl_sweep_is_refusal(kind->reason);
        xl_buf_printf(out, "%-8s %zu: %s\n",
                      skip ? "refused" : xl_trial_state_name(kind->state),
                      kind->n, kind->reason + skip);
    }
    if (kinds.others)
        xl_buf_printf(out, "others   %zu: xltune runs show %s\n", kinds.others,
                      r->run_dir);
    return XL_OK;
}

/* -- the summary ---------------------------------------------------------- */

static void print_speed(const char *name, const struct xl_estimate *speed,
                        const struct xl_estimate *ratio, struct xl_buf *out)
{
    if (speed->n == 0)
        return;
    xl_buf_printf(out, "%-8s %.1f tok/s [%.1f, %.1f], n %zu", name,
                  speed->median, speed->lo, speed->hi, speed->n);
    if (ratio)
        xl_buf_printf(out, "; %.2f x the defaults [%.2f, %.2f]", ratio->median,
                      ratio->lo, ratio->hi);
    xl_buf_char(out, '\n');
}

static enum xl_status print_counts(const struct xl_sweep_report *r,
                                   struct xl_buf *out, struct xl_err *err)
{
    const struct xl_verdicts *v = r->verdicts;
    xl_buf_printf(out,
                  "measured %zu configurations, %zu of them dropped early; "
                  "%zu failed; %s\n",
                  v->n_ok, v->n_dropped, v->n_failed, r->end);
    xl_buf_printf(out, "judged   %zu passed, %zu refused, %zu not proved",
                  v->n_passed, v->n_refused, v->n_unproved);
    if (v->n_unheard)
        xl_buf_printf(out, "; for %zu there was no time", v->n_unheard);
    xl_buf_char(out, '\n');
    return print_reasons(r, out, err);
}

static void print_winner(const struct xl_sweep_report *r, struct xl_buf *out)
{
    const struct xl_verdicts *v = r->verdicts;
    char text[400];
    xl_buf_printf(
        out, "winner   %s%s\n         %s\n",
        v->is_default ? "the defaults: " : "",
        xl_sweep_short_params(r->space, &v->params, text, sizeof text), v->why);
    print_speed("prefill", &v->figures.prefill_tok_s,
                v->is_default ? NULL : &v->prefill_ratio, out);
    print_speed("decode", &v->figures.decode_tok_s,
                v->is_default ? NULL : &v->decode_ratio, out);
    xl_buf_printf(out, "quality  %s (tier %s)%s%s\n", v->verdict, v->tier,
                  v->reason[0] ? ": " : "", v->reason);
    if (!r->grade->rounds)
        return;
    xl_buf_printf(out, "machine  at the start %s\n",
                  xl_machine_grade_text(r->grade, text, sizeof text));
    xl_buf_printf(out, "         at the end   %s\n",
                  xl_machine_grade_text(&v->grade, text, sizeof text));
}

static void print_files(const struct xl_sweep_report *r, struct xl_buf *out)
{
    const struct xl_verdicts *v = r->verdicts;
    xl_buf_printf(out, "run      %s\n", r->run_dir);
    if (v->n_unwritten)
        xl_buf_printf(out,
                      "         without %zu of its outputs, for which "
                      "there was no time\n",
                      v->n_unwritten);
    if (!v->winner)
        return;
    xl_buf_printf(out, "profile  %s/best.json\n", r->run_dir);
    if (v->is_published)
        xl_buf_text(out, "         later runs of this model on this machine "
                         "use it; --no-best leaves it out\n");
    else if (v->proved || v->is_default)
        xl_buf_printf(out,
                      "         later runs use the profile that this machine "
                      "has, which --no-best left out here\n"
                      "         xltune profile freeze %s NAME keeps this one\n",
                      r->run_dir);
    xl_buf_printf(out,
                  "next     xltune judge --run %s\n"
                  "         xltune plot --run %s\n",
                  r->run_dir, r->run_dir);
}

enum xl_status xl_sweep_print(const struct xl_sweep_report *r,
                              struct xl_err *err)
{
    struct xl_buf out;
    xl_buf_init(&out, 0);
    enum xl_status rc = print_counts(r, &out, err);
    if (r->verdicts->winner)
        print_winner(r, &out);
    else
        xl_buf_printf(&out, "winner   none: %s\n", r->verdicts->why);
    print_files(r, &out);
    if (rc == XL_OK)
        rc = xl_buf_check(&out, "the summary", err);
    if (rc == XL_OK)
        xl_sweep_print_wrapped(out.data);
    xl_buf_release(&out);
    return rc;
}

/* -- as JSON -------------------------------------------------------------- */

static void add_ratio(cJSON *to, const char *name, const struct xl_estimate *e)
{
    cJSON *o = cJSON_AddObjectToObject(to, name);
    xl_json_add_real(o, "median", e->n ? e->median : (double)NAN);
    xl_json_add_real(o, "lo", e->n ? e->lo : (double)NAN);
    xl_json_add_real(o, "hi", e->n ? e->hi : (double)NAN);
    cJSON_AddNumberToObject(o, "n", (double)e->n);
}

enum xl_status xl_sweep_print_json(const struct xl_sweep_report *r,
                                   struct xl_err *err)
{
    const struct xl_verdicts *v = r->verdicts;
    cJSON *o = cJSON_CreateObject();
    xl_json_add_string(o, "run", r->run_dir);
    cJSON_AddStringToObject(o, "end", r->end);
    cJSON_AddNumberToObject(o, "measured", (double)v->n_ok);
    cJSON_AddNumberToObject(o, "dropped", (double)v->n_dropped);
    cJSON_AddNumberToObject(o, "failed", (double)v->n_failed);
    cJSON_AddNumberToObject(o, "passed", (double)v->n_passed);
    cJSON_AddNumberToObject(o, "refused", (double)v->n_refused);
    cJSON_AddNumberToObject(o, "unproved", (double)v->n_unproved);
    cJSON_AddNumberToObject(o, "not_judged_in_time", (double)v->n_unheard);
    cJSON_AddNumberToObject(o, "outputs_not_written", (double)v->n_unwritten);
    cJSON_AddBoolToObject(o, "proved", v->proved);
    cJSON_AddBoolToObject(o, "cut_short", v->is_cut);
    cJSON_AddBoolToObject(o, "defaults_kept", v->is_default);
    cJSON_AddStringToObject(o, "why", v->why);
    cJSON *machine = cJSON_AddObjectToObject(o, "machine");
    cJSON_AddItemToObject(machine, "start", xl_machine_grade_json(r->grade));
    cJSON_AddItemToObject(machine, "end", xl_machine_grade_json(&v->grade));
    if (v->winner) {
        cJSON_AddNumberToObject(o, "trial", (double)v->winner);
        cJSON_AddItemToObject(o, "params", xl_params_to_json(&v->params));
        add_ratio(o, "prefill_tok_s", &v->figures.prefill_tok_s);
        add_ratio(o, "decode_tok_s", &v->figures.decode_tok_s);
        add_ratio(o, "prefill_ratio", &v->prefill_ratio);
        add_ratio(o, "decode_ratio", &v->decode_ratio);
        cJSON_AddStringToObject(o, "verdict", v->verdict);
        cJSON_AddStringToObject(o, "tier", v->tier);
    } else {
        cJSON_AddNullToObject(o, "trial");
    }
    return xl_print_json_line(o, err);
}
