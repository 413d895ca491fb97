/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/sweep/cmd_sweep_print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cmd_print.h"
#include "kernel/base/json.h"

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

static void print_speed(const char *name, const struct xl_estimate *speed,
                        const struct xl_estimate *ratio)
{
    if (speed->n == 0)
        return;
    printf("  %-8s %9.1f tok/s [%.1f, %.1f] n=%zu", name, speed->median,
           speed->lo, speed->hi, speed->n);
    if (ratio)
        printf("   %.2f x the defaults [%.2f, %.2f]", ratio->median, ratio->lo,
               ratio->hi);
    putchar('\n');
}

void xl_sweep_print(const struct xl_sweep_report *r)
{
    const struct xl_verdicts *v = r->verdicts;
    char params[400], start[80], end[80];
    printf("%zu configurations measured, %zu of them dropped early, %zu "
           "failed; %zu passed the whole judge, %zu were refused, %zu not "
           "proved; %s\n",
           v->n_ok, v->n_dropped, v->n_failed, v->n_passed, v->n_refused,
           v->n_unproved, xl_sweep_end_text(r->end));
    if (!v->winner) {
        printf("no winner: %s\nrun      %s\n", v->why, r->run_dir);
        return;
    }
    printf("winner   %s%s\n", v->is_default ? "the defaults: " : "",
           xl_sweep_short_params(r->space, &v->params, params, sizeof params));
    printf("         %s\n", v->why);
    print_speed("prefill", &v->figures.prefill_tok_s,
                v->is_default ? NULL : &v->prefill_ratio);
    print_speed("decode", &v->figures.decode_tok_s,
                v->is_default ? NULL : &v->decode_ratio);
    printf("quality  %s (tier %s)%s%s\n", v->verdict, v->tier,
           v->reason[0] ? ": " : "", v->reason);
    if (r->grade->rounds)
        printf("machine  at the start %s\n         at the end   %s\n",
               xl_machine_grade_text(r->grade, start, sizeof start),
               xl_machine_grade_text(&v->grade, end, sizeof end));
    printf("run      %s\n", r->run_dir);
    printf("profile  %s/best.json%s\n", r->run_dir,
           v->proved || v->is_default ? ", applied by every later run on this "
                                        "machine"
                                      : "");
    printf("next     xltune judge --run %s && xltune plot --run %s\n",
           r->run_dir, r->run_dir);
}

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
    xl_json_add_text(o, "run", r->run_dir, strlen(r->run_dir));
    cJSON_AddStringToObject(o, "end", xl_sweep_end_text(r->end));
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
