/* SPDX-License-Identifier: Apache-2.0
 *
 * The time of one trial follows from budget and trials; a trial takes about
 * TRIAL_LAPS times a repetition of the defaults, which are slower than most:
 * plan, warm-up, anchor, screen, repetitions, and its share of judging those
 * that lead. Prompt and new tokens
 * are cut by the same share, down to lengths from which speeds still carry
 * over to longer ones; where that is not enough, repetitions are. The judge
 * reads no more than it takes to prove something, for each leader of the
 * search is judged whole. */
#include "tuner/sweep/ration.h"

#include <math.h>

#include "judge/panel.h"
#include "kernel/base/json.h"
#include "kernel/base/minmax.h"

#define SEARCH_SHARE 0.4 /* of the budget, without grade and references */
#define TRIAL_LAPS   7.0

enum {
    SOUND_PROMPT = 64,
    SOUND_NEW = 8,
    SOUND_LAPS = 2,
    LEAST_PROMPT = 256, /* several chunks, and a block of many rows */
    LEAST_NEW = 8,
    PROMPT_GRAIN = 64,
    LEAST_REPEATS = 2
};

static double lap_s(const struct xl_ration_facts *facts,
                    const struct xl_load *load)
{
    return facts->prefill_s * (double)load->prompt_tokens +
           facts->step_s * (double)load->new_tokens;
}

/* `share` of n in steps of `grain`, no less than `least` and no more than n. */
static size_t part_of(size_t n, double share, size_t grain, size_t least)
{
    size_t part = (size_t)(share * (double)n) / grain * grain;
    part = part < least ? least : part;
    return part < n ? part : n;
}

void xl_ration_choose(struct xl_ration *ration,
                      const struct xl_ration_facts *facts)
{
    const struct xl_load *all = &facts->whole;
    double whole_s = lap_s(facts, all);
    *ration = (struct xl_ration){ .repeats = facts->repeats,
                                  .most = facts->most,
                                  .judge_tokens = facts->judge_tokens,
                                  .whole = 1.0 };
    double wanted_s =
        SEARCH_SHARE * facts->budget_s / ((double)facts->trials * TRIAL_LAPS);
    if (facts->budget_s <= 0 || !(whole_s > wanted_s))
        return;
    double share = wanted_s / whole_s;
    struct xl_load part = {
        part_of(all->prompt_tokens, share, PROMPT_GRAIN, LEAST_PROMPT),
        part_of(all->new_tokens, share, 1, LEAST_NEW),
    };
    double part_s = lap_s(facts, &part);
    ration->whole = whole_s / part_s;
    if (ration->whole > 1.0)
        ration->load = part;
    if (facts->judge_tokens == 0)
        ration->judge_tokens = xl_panel_room(facts->judge_least);
    if (facts->is_fixed || part_s <= wanted_s)
        return;
    ration->repeats =
        part_of(facts->repeats, wanted_s / part_s, 1, LEAST_REPEATS);
    ration->most = part_of(facts->most, wanted_s / part_s, 1, ration->repeats);
}

/* -- sounding ------------------------------------------------------------- */

static enum xl_run_go take_least(void *ctx, const struct xl_run_sample *s)
{
    struct xl_ration_facts *facts = ctx;
    double prefill_s =
        (double)s->prefill_ns / 1e9 / fmax(1.0, (double)s->prompt_tokens);
    double step_s =
        (double)s->decode_ns / 1e9 / fmax(1.0, (double)s->decode_steps);
    bool is_first = s->rep == 0;
    facts->prefill_s = is_first ? prefill_s : fmin(facts->prefill_s, prefill_s);
    facts->step_s = is_first ? step_s : fmin(facts->step_s, step_s);
    return XL_RUN_MORE;
}

enum xl_status xl_ration_sound(const struct xl_runner *runner,
                               const struct xl_params *base,
                               struct xl_ration_facts *facts,
                               struct xl_err *err)
{
    struct xl_run_end end;
    struct xl_run_request request = {
        .params = base,
        .load = { xl_min(facts->whole.prompt_tokens, SOUND_PROMPT),
                  xl_min(facts->whole.new_tokens, SOUND_NEW) },
        .reps = SOUND_LAPS,
        .on_sample = take_least,
        .ctx = facts,
    };
    return runner->measure(runner->ctx, &request, &end, err);
}

/* -- in run_meta.json ----------------------------------------------------- */

cJSON *xl_ration_json(const struct xl_ration *ration)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "prompt_tokens",
                            (double)ration->load.prompt_tokens);
    cJSON_AddNumberToObject(o, "new", (double)ration->load.new_tokens);
    cJSON_AddNumberToObject(o, "repeats", (double)ration->repeats);
    cJSON_AddNumberToObject(o, "max_repeats", (double)ration->most);
    cJSON_AddNumberToObject(o, "judge_tokens", (double)ration->judge_tokens);
    cJSON_AddNumberToObject(o, "whole", ration->whole);
    return o;
}

static void read_size(const cJSON *json, const char *key, size_t *to)
{
    int64_t x;
    if (xl_json_get_int(json, key, 0, 1 << 30, &x, NULL) == XL_OK)
        *to = (size_t)x;
}

void xl_ration_read(struct xl_ration *ration, const cJSON *json)
{
    if (!json)
        return;
    read_size(json, "prompt_tokens", &ration->load.prompt_tokens);
    read_size(json, "new", &ration->load.new_tokens);
    read_size(json, "repeats", &ration->repeats);
    read_size(json, "max_repeats", &ration->most);
    read_size(json, "judge_tokens", &ration->judge_tokens);
    xl_json_get_real(json, "whole", 1.0, 1e9, &ration->whole, NULL);
}
