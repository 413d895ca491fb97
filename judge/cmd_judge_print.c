/* SPDX-License-Identifier: Apache-2.0
 *
 * What `judge` prints: a table for people, CSV and JSONL for programs. A
 * score that has an interval stands with it and with its blocks. */
#include "judge/cmd_judge_int.h"

#include <stdio.h>

#include "judge/ratings.h"
#include "judge/rows.h"
#include "kernel/base/cmd_print.h"
#include "kernel/base/json.h"

enum {
    CELL = 80
};

/* "0.0166 [0.0013, 0.0319]", or "-". */
static const char *cell(const struct xl_score *s, char out[CELL])
{
    if (!s->is_known)
        snprintf(out, CELL, "-");
    else if (s->has_interval)
        snprintf(out, CELL, "%.3g [%.3g, %.3g]", s->value, s->lo, s->hi);
    else
        snprintf(out, CELL, "%.4g", s->value);
    return out;
}

static void add_enough(cJSON *root, size_t tokens)
{
    xl_json_add_real(root, "enough_tokens",
                     tokens ? (double)tokens : XL_UNKNOWN);
}

/* -- a run ----------------------------------------------------------------- */

static void print_table(const struct xl_judged_run *judged)
{
    static const struct {
        enum xl_score_id id;
        int width;
    } shown[] = {
        { XL_SCORE_AVG_LOGPROB, 24 }, { XL_SCORE_LEN_TOKENS, 10 },
        { XL_SCORE_DISTINCT2, 9 },    { XL_SCORE_DLOSS, 32 },
        { XL_SCORE_KL_MEAN, 32 },     { XL_SCORE_TOP1, 22 },
    };
    size_t n_shown = sizeof shown / sizeof *shown;
    char text[CELL];
    printf("%-44s %-12s %-6s %5s", "file", "verdict", "tier", "group");
    for (size_t k = 0; k < n_shown; k++)
        printf(" %*s", shown[k].width, xl_score_row(shown[k].id)->name);
    puts(" blocks");
    for (size_t i = 0; i < judged->n; i++) {
        const struct xl_rating *r = &judged->ratings[i];
        printf("%-44s %-12s %-6s %5zu", r->file,
               xl_verdict_name(r->ruling.verdict), xl_tier_name(r->ruling.tier),
               r->group);
        for (size_t k = 0; k < n_shown; k++)
            printf(" %*s", shown[k].width, cell(&r->scores[shown[k].id], text));
        printf(" %6zu\n", r->scores[XL_SCORE_DLOSS].blocks);
        if (r->ruling.verdict != XL_VERDICT_PASS)
            printf("    %s\n", r->ruling.reason);
    }
    printf("%zu outputs, %zu different texts; configurations judged on up to "
           "%zu %s (hash %s); in brackets: intervals of 95 %%\n",
           judged->n, judged->n_groups, judged->text_tokens,
           judged->is_random ? "random tokens" : "tokens of held-out text",
           judged->text_hash);
    if (judged->enough_tokens)
        printf("what is inconclusive may be settled by --tokens %zu\n",
               judged->enough_tokens);
}

static cJSON *run_json(const struct xl_judged_run *judged, const char *run_dir)
{
    cJSON *root = cJSON_CreateObject();
    xl_json_add_string(root, "run", run_dir);
    xl_json_add_string(root, "model_path", judged->model_dir);
    cJSON_AddStringToObject(root, "text_hash", judged->text_hash);
    cJSON_AddNumberToObject(root, "text_tokens", (double)judged->text_tokens);
    cJSON_AddBoolToObject(root, "text_is_random", judged->is_random);
    add_enough(root, judged->enough_tokens);
    cJSON_AddNumberToObject(root, "prompt_tokens",
                            (double)judged->prompt_tokens);
    cJSON_AddNumberToObject(root, "groups", (double)judged->n_groups);
    cJSON *list = cJSON_AddArrayToObject(root, "ratings");
    for (size_t i = 0; i < judged->n; i++)
        cJSON_AddItemToArray(list, xl_rating_json(&judged->ratings[i]));
    return root;
}

enum xl_status xl_judge_print_run(enum xl_judge_format format,
                                  const struct xl_judged_run *judged,
                                  const char *run_dir, struct xl_err *err)
{
    struct xl_buf text;
    if (format == XL_JUDGE_JSON)
        return xl_print_json_line(run_json(judged, run_dir), err);
    if (format == XL_JUDGE_TABLE) {
        print_table(judged);
        return XL_OK;
    }
    xl_buf_init(&text, 0);
    if (format == XL_JUDGE_CSV)
        xl_ratings_csv(judged->ratings, judged->n, &text);
    else
        xl_ratings_jsonl(judged->ratings, judged->n, &text);
    return xl_print_text(&text, err);
}

/* -- a text ---------------------------------------------------------------- */

/* The bounds that are not the tier's own. */
static void print_followed(const struct xl_ruling *ruling)
{
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        const struct xl_gate_result *g = &ruling->gates[i];
        enum xl_score_id id = xl_gate_row((enum xl_gate_id)i)->score;
        if (g->applies && (g->bound > g->absolute || g->bound < g->absolute))
            printf("  %-16s %.3g allowed, not %.3g: this model's own floor is "
                   "%.3g\n",
                   xl_score_row(id)->name, g->bound, g->absolute, g->floor);
    }
}

static void print_scores(const struct xl_judgement *j, size_t enough_tokens)
{
    for (size_t i = XL_SCORE_NONFINITE; i < XL_SCORE_COUNT; i++) {
        const struct xl_score_row *row = xl_score_row((enum xl_score_id)i);
        const struct xl_score *s = &j->scores[i];
        if (!s->is_known)
            printf("%-16s unknown: %s\n", row->name, s->why_unknown);
        else if (s->has_interval)
            printf("%-16s %.6g [%.6g, %.6g] %s (%zu values, %zu blocks)\n",
                   row->name, s->value, s->lo, s->hi, row->unit, s->n,
                   s->blocks);
        else
            printf("%-16s %.6g %s (%zu values)\n", row->name, s->value,
                   row->unit, s->n);
    }
    printf("verdict          %s (tier '%s'): %s\n",
           xl_verdict_name(j->ruling.verdict), xl_tier_name(j->ruling.tier),
           j->ruling.reason);
    print_followed(&j->ruling);
    if (enough_tokens)
        printf("                 a text of %zu tokens may settle it\n",
               enough_tokens);
}

enum xl_status xl_judge_print_text(enum xl_judge_format format,
                                   const struct xl_judgement *judgement,
                                   const struct xl_judge_sides *sides,
                                   struct xl_err *err)
{
    struct xl_buf text;
    if (format == XL_JUDGE_TABLE) {
        print_scores(judgement, sides->enough_tokens);
        return XL_OK;
    }
    cJSON *root = xl_judgement_json(judgement);
    add_enough(root, sides->enough_tokens);
    xl_json_add_string(root, "candidate_path", sides->paths[0]);
    cJSON_AddItemToObject(root, "candidate",
                          xl_params_to_json(sides->candidate));
    xl_json_add_string(root, "reference_path", sides->paths[1]);
    cJSON_AddItemToObject(root, "reference",
                          xl_params_to_json(sides->reference));
    if (format != XL_JUDGE_CSV)
        return xl_print_json_line(root, err);
    xl_buf_init(&text, 0);
    xl_row_csv_names(root, &text);
    xl_row_csv(root, &text);
    cJSON_Delete(root);
    return xl_print_text(&text, err);
}
