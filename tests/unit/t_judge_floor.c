/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds that follow a model's own floor: what rounding is, what bounds do with
 * a floor, and a model of random weights, more sensitive than the tiers
 * expect, on which sound builds pass and no planted fault does. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge.h"
#include "judge/own_floor.h"
#include "judge/selftest.h"
#include "kernel/base/alloc.h"
#include "kernel/base/hash.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/base/pool.h"
#include "kernel/base/rng.h"
#include "kernel/model/rounding.h"
#include "kernel/run/synth.h"
#include "tests/harness/test.h"

/* -- rounding -------------------------------------------------------------- */

enum {
    GROUPS = 40,
    RAGGED = 7, /* inputs of the last group */
    INPUTS = (GROUPS - 1) * XL_PACK_GROUP + RAGGED
};

static void draw(float x[INPUTS])
{
    struct xl_rng rng;
    xl_rng_seed(&rng, 3);
    for (size_t i = 0; i < INPUTS; i++)
        x[i] = (float)(xl_rng_normal(&rng) * exp(xl_rng_normal(&rng)));
    memset(x + XL_PACK_GROUP, 0, XL_PACK_GROUP * sizeof *x);
}

static void bf16_keeps_eight_bits(struct xl_test *t)
{
    float x[INPUTS], y[INPUTS];
    size_t moved = 0;
    draw(x);
    xl_round_inputs(XL_ROUNDING_BF16, y, x, INPUTS);
    for (size_t i = 0; i < INPUTS; i++) {
        XL_CHECK(t, fabsf(y[i] - x[i]) <= ldexpf(fabsf(x[i]), -8));
        moved += y[i] < x[i] || y[i] > x[i];
    }
    XL_CHECK(t, moved > INPUTS / 2);
    xl_round_inputs(XL_ROUNDING_BF16, x, y, INPUTS);
    XL_CHECK(t, memcmp(x, y, sizeof x) == 0);
}

/* Steps of a group are a 127th of its largest value, which stays. */
static void int8_has_a_scale_a_group(struct xl_test *t)
{
    float x[INPUTS], y[INPUTS];
    draw(x);
    xl_round_inputs(XL_ROUNDING_INT8, y, x, INPUTS);
    for (size_t at = 0; at < INPUTS; at += XL_PACK_GROUP) {
        size_t n = INPUTS - at < XL_PACK_GROUP ? INPUTS - at : XL_PACK_GROUP;
        double largest = 0, kept = 0;
        for (size_t i = at; i < at + n; i++) {
            largest = fmax(largest, fabs((double)x[i]));
            kept = fmax(kept, fabs((double)y[i]));
        }
        double step = largest / 127;
        XL_CHECK_NEAR(t, kept, largest, 1e-6 * largest);
        for (size_t i = at; i < at + n; i++) {
            XL_CHECK_NEAR(t, y[i], x[i], 0.5001 * step);
            if (step > 0)
                XL_CHECK_NEAR(t, (double)y[i] / step, rint((double)y[i] / step),
                              1e-3);
        }
    }
}

/* -- bounds ---------------------------------------------------------------- */

static struct xl_score proved(double value, double se)
{
    return (struct xl_score){ .is_known = true,
                              .value = value,
                              .has_interval = true,
                              .se = se,
                              .blocks = 32,
                              .lower = value - 1.7 * se,
                              .upper = value + 1.7 * se };
}

static void good_scores(struct xl_score s[XL_SCORE_COUNT])
{
    xl_scores_clear(s);
    for (size_t i = XL_SCORE_NONFINITE; i < XL_SCORE_COUNT; i++)
        s[i] = proved(0, 1e-9);
    s[XL_SCORE_TOP1] = proved(1, 1e-9);
}

static enum xl_verdict rule(const struct xl_score *s,
                            const struct xl_score *floor,
                            struct xl_ruling *ruling)
{
    xl_gate_rule(XL_TIER_BF16, s, floor, ruling);
    return ruling->verdict;
}

static void a_bound_is_twice_the_floor(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT], floor[XL_SCORE_COUNT];
    struct xl_ruling ruling;
    good_scores(s);
    good_scores(floor);
    s[XL_SCORE_KL_MEAN] = proved(1.9e-4, 1e-6);
    XL_CHECK_EQ(t, rule(s, NULL, &ruling), XL_VERDICT_FAIL);
    floor[XL_SCORE_KL_MEAN] = proved(1e-4, 1e-6);
    XL_CHECK_EQ(t, rule(s, floor, &ruling), XL_VERDICT_PASS);
    XL_CHECK(t, strstr(ruling.reason, "own floor") != NULL);
    XL_CHECK_NEAR(t, ruling.gates[XL_GATE_KL_MEAN].bound, 2e-4, 1e-12);
    XL_CHECK_NEAR(t, ruling.gates[XL_GATE_KL_MEAN].floor, 1e-4, 1e-12);
    s[XL_SCORE_KL_MEAN] = proved(2.2e-4, 1e-6);
    XL_CHECK_EQ(t, rule(s, floor, &ruling), XL_VERDICT_FAIL);
    s[XL_SCORE_KL_MEAN] = proved(1e-4, 1e-6);
    s[XL_SCORE_TOP1] = proved(0.95, 1e-3);
    XL_CHECK_EQ(t, rule(s, floor, &ruling), XL_VERDICT_FAIL);
    floor[XL_SCORE_TOP1] = proved(0.96, 1e-3);
    XL_CHECK_EQ(t, rule(s, floor, &ruling), XL_VERDICT_PASS);
    XL_CHECK_NEAR(t, ruling.gates[XL_GATE_TOP1].bound, 0.92, 1e-12);
}

static void a_low_floor_tightens_nothing(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT], floor[XL_SCORE_COUNT];
    struct xl_ruling with, without;
    good_scores(s);
    good_scores(floor);
    s[XL_SCORE_KL_MEAN] = proved(4e-5, 1e-6);
    rule(s, floor, &with);
    rule(s, NULL, &without);
    for (size_t i = 0; i < XL_GATE_COUNT; i++) {
        if (!with.gates[i].applies)
            continue;
        XL_CHECK_NEAR(t, with.gates[i].bound, without.gates[i].bound, 0);
        XL_CHECK_NEAR(t, with.gates[i].bound, with.gates[i].absolute, 0);
    }
    XL_CHECK_EQ(t, with.verdict, XL_VERDICT_PASS);
}

/* No floor, however high, lifts a bound beyond what users accept, and none at
 * all that of the loss. */
static void floors_have_an_end(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT], floor[XL_SCORE_COUNT];
    struct xl_ruling ruling;
    good_scores(s);
    good_scores(floor);
    s[XL_SCORE_KL_MEAN] = floor[XL_SCORE_KL_MEAN] = proved(0.01, 1e-4);
    XL_CHECK_EQ(t, rule(s, floor, &ruling), XL_VERDICT_FAIL);
    XL_CHECK_NEAR(t, ruling.gates[XL_GATE_KL_MEAN].bound, 0.0014, 1e-12);
    XL_CHECK(t, strstr(ruling.reason, "too sensitive for tier 'bf16'") != NULL);
    good_scores(s);
    for (size_t i = XL_SCORE_NONFINITE; i < XL_SCORE_COUNT; i++)
        floor[i] = proved(10, 1e-9);
    s[XL_SCORE_DLOSS] = proved(0.002, 1e-5);
    XL_CHECK_EQ(t, rule(s, floor, &ruling), XL_VERDICT_FAIL);
    XL_CHECK_NEAR(t, ruling.gates[XL_GATE_DLOSS].bound, 0.0014, 1e-12);
    xl_gate_rule(XL_TIER_KERNEL, s, floor, &ruling);
    for (size_t i = 0; i < XL_GATE_COUNT; i++)
        if (ruling.gates[i].applies)
            XL_CHECK_NEAR(t, ruling.gates[i].bound, ruling.gates[i].absolute,
                          0);
}

static bool wants(const struct xl_score *s)
{
    struct xl_ruling ruling;
    xl_gate_rule(XL_TIER_BF16, s, NULL, &ruling);
    return xl_ruling_wants_floor(&ruling, s);
}

/* A floor is measured when it can change the verdict, and only then. */
static void floors_are_asked_for_when_they_matter(struct xl_test *t)
{
    struct xl_score s[XL_SCORE_COUNT];
    good_scores(s);
    s[XL_SCORE_STATE_OVER] = xl_score_unknown("no floor");
    XL_CHECK(t, !wants(s));
    s[XL_SCORE_KL_MEAN] = proved(1e-4, 1e-6);
    XL_CHECK(t, wants(s));
    s[XL_SCORE_KL_MEAN] = proved(4.9e-5, 1e-6); /* straddles */
    XL_CHECK(t, wants(s));
    s[XL_SCORE_KL_MEAN].blocks = XL_BLOCKS_TO_PASS;
    XL_CHECK(t, wants(s));
    s[XL_SCORE_KL_MEAN].blocks--; /* too few to tell anything */
    XL_CHECK(t, !wants(s));
    s[XL_SCORE_KL_MEAN] = proved(1e-4, 1e-6);
    s[XL_SCORE_DLOSS] = proved(0.1, 1e-6); /* lost anyway */
    XL_CHECK(t, !wants(s));
}

/* -- a sensitive model ----------------------------------------------------- */

static const char *make_model(struct xl_test *t, enum xl_pack_kind kind)
{
    static char dir[1024];
    struct xl_err err = { 0 };
    snprintf(dir, sizeof dir, "%s/noise", t->dir);
    if (xl_io_is_dir(dir))
        return dir;
    const struct xl_synth_options options = {
        .preset = "demo", .dir = dir, .kind = kind, .seed = 7
    };
    return XL_CHECK_STATUS(t, xl_synth_write(&options, &err), XL_OK, &err)
               ? dir
               : NULL;
}

static void check_faults(struct xl_test *t, const char *params)
{
    static struct xl_selftest_result results[XL_SELFTEST_COUNT];
    struct xl_err err = { 0 };
    struct xl_selftest_spec spec = { .params = params };
    size_t faults = 0, sound = 0;
    spec.model_dir = make_model(t, XL_PACK_BF16);
    if (!spec.model_dir ||
        !XL_CHECK_STATUS(t, xl_judge_selftest(&spec, results, &err), XL_OK,
                         &err))
        return;
    for (size_t i = 0; i < XL_SELFTEST_COUNT; i++) {
        const struct xl_selftest_result *r = &results[i];
        xl_test_check(t, r->ok, __FILE__, __LINE__, "%s, '%s': %s, %s", params,
                      r->name, xl_verdict_name(r->verdict), r->said);
        faults += !r->is_left_out && r->claim;
        sound += !r->is_left_out && !r->claim;
        if (!r->is_left_out && !r->claim)
            XL_CHECK(t, strstr(r->said, "own floor") != NULL);
    }
    XL_CHECK(t, faults >= 14);
    XL_CHECK_EQ(t, sound, 1);
}

static void bf16_passes_and_no_fault_in_it(struct xl_test *t)
{
    check_faults(t, "weight_dtype=bf16");
}

static void int8_passes_and_no_fault_in_it(struct xl_test *t)
{
    check_faults(t, "weight_dtype=int8");
}

/* One judge over the model's text. */
struct bench {
    struct xl_model *model;
    struct xl_judge_text text;
    struct xl_judge *judge;
};

static bool bench_open(struct xl_test *t, struct bench *b,
                       const struct xl_params *reference, const char *folder)
{
    const struct xl_judge_options options = { .reference = reference,
                                              .folder = folder };
    struct xl_err err = { 0 };
    const char *dir = make_model(t, XL_PACK_BF16);
    *b = (struct bench){ 0 };
    return dir &&
           XL_CHECK_STATUS(t, xl_model_open(&b->model, dir, &err), XL_OK,
                           &err) &&
           XL_CHECK_STATUS(t,
                           xl_judge_heldout(&b->text, b->model, NULL, 0, &err),
                           XL_OK, &err) &&
           XL_CHECK_STATUS(
               t, xl_judge_make(&b->judge, b->model, &b->text, &options, &err),
               XL_OK, &err);
}

static void bench_close(struct bench *b)
{
    xl_judge_free(b->judge);
    xl_judge_text_release(&b->text);
    xl_model_close(b->model);
}

static void judge_as(struct xl_test *t, struct bench *b, const char *params,
                     enum xl_tier tier, struct xl_judgement *out)
{
    struct xl_params candidate;
    struct xl_plan *plan = NULL;
    struct xl_err err = { 0 };
    *out = (struct xl_judgement){ 0 };
    if (XL_CHECK_STATUS(t, xl_selftest_params(&candidate, params, &err), XL_OK,
                        &err) &&
        XL_CHECK_STATUS(t, xl_plan_make(&plan, b->model, &candidate, &err),
                        XL_OK, &err))
        XL_CHECK_STATUS(t, xl_judge_plan(b->judge, plan, tier, out, &err),
                        XL_OK, &err);
    xl_plan_free(plan);
}

/* The numbers of a looser format do not become those of a stricter one, and
 * a format that the model does not bear is said to be that. */
static void no_format_is_sold_as_another(struct xl_test *t)
{
    struct bench b;
    struct xl_judgement j;
    if (bench_open(t, &b, NULL, NULL)) {
        judge_as(t, &b, "weight_dtype=bf16", XL_TIER_BF16, &j);
        XL_CHECK_EQ(t, j.ruling.verdict, XL_VERDICT_PASS);
        judge_as(t, &b, "weight_dtype=int8", XL_TIER_BF16, &j);
        XL_CHECK_EQ(t, j.ruling.verdict, XL_VERDICT_FAIL);
        judge_as(t, &b, "state_dtype=bf16 weight_dtype=int4", XL_TIER_Q8, &j);
        XL_CHECK_EQ(t, j.ruling.verdict, XL_VERDICT_FAIL);
        judge_as(t, &b, "weight_dtype=int4", XL_TIER_Q4, &j);
        XL_CHECK_EQ(t, j.ruling.verdict, XL_VERDICT_FAIL);
        XL_CHECK(t, strstr(j.ruling.reason, "too sensitive") != NULL);
        judge_as(t, &b, "weight_dtype=bf16", XL_TIER_KERNEL, &j);
        XL_CHECK_EQ(t, j.ruling.verdict, XL_VERDICT_FAIL);
        XL_CHECK(t, isnan(j.ruling.gates[XL_GATE_KL_MEAN].floor));
    }
    bench_close(&b);
}

/* The floor is the reference's: what the user puts in its place has none. */
static void a_reference_of_ones_own_has_no_floor(struct xl_test *t)
{
    struct bench b;
    struct xl_judgement j;
    struct xl_params reference;
    xl_judge_reference(&reference);
    reference.value[XL_PARAM_CHUNK_SIZE] = 16;
    if (bench_open(t, &b, &reference, NULL)) {
        judge_as(t, &b, "weight_dtype=bf16", XL_TIER_BF16, &j);
        XL_CHECK_EQ(t, j.ruling.verdict, XL_VERDICT_FAIL);
        XL_CHECK(t, isnan(j.ruling.gates[XL_GATE_KL_MEAN].floor));
    }
    bench_close(&b);
}

/* The verdict says what was allowed and why. */
static void a_verdict_names_floor_and_times(struct xl_test *t)
{
    struct bench b;
    struct xl_judgement j;
    if (bench_open(t, &b, NULL, NULL)) {
        judge_as(t, &b, "weight_dtype=bf16", XL_TIER_BF16, &j);
        cJSON *root = xl_judgement_json(&j), *gate;
        size_t followed = 0;
        cJSON_ArrayForEach(gate, cJSON_GetObjectItem(root, "gates"))
        {
            double bound = cJSON_GetObjectItem(gate, "bound")->valuedouble;
            double own = cJSON_GetObjectItem(gate, "absolute")->valuedouble;
            const cJSON *floor = cJSON_GetObjectItem(gate, "floor");
            XL_CHECK_EQ(t, cJSON_IsNumber(floor),
                        cJSON_IsNumber(cJSON_GetObjectItem(gate, "times")));
            followed += cJSON_IsNumber(floor) && fabs(bound - own) > 0;
        }
        XL_CHECK(t, followed >= 2);
        cJSON_Delete(root);
    }
    bench_close(&b);
}

/* -- borrowed rows --------------------------------------------------------- */

struct lender {
    struct xl_params naive;
    struct xl_reference_spec spec;
    struct xl_reference *reference;
    struct xl_twins twins;
    struct xl_pool *pool;
    size_t passes; /* of any reader of a floor */
};

static void count_pass(void *ctx, const char *what, size_t done, size_t of)
{
    struct lender *l = ctx;
    (void)what;
    (void)done;
    (void)of;
    l->passes++;
}

/* The floor of one tier, from rows that are lent or from none. */
static bool floor_by(struct xl_test *t, struct lender *l, enum xl_tier tier,
                     bool is_lent, struct xl_own_floors *floors)
{
    const struct xl_own_floor *floor = NULL;
    struct xl_err err = { 0 };
    struct xl_reference_spec spec = l->spec;
    const struct xl_inputs inputs = { XL_ROUNDING_BF16, XL_ROUNDING_INT8 };
    spec.watch = (struct xl_watch){ count_pass, l };
    l->passes = 0;
    struct xl_own_floor_loan loan = { 0 };
    if (is_lent)
        loan = (struct xl_own_floor_loan){ l->reference, &l->twins, l->pool };
    xl_own_floors_init(floors, &spec, &loan);
    return XL_CHECK_STATUS(
               t, xl_own_floors_get(floors, tier, &inputs, &floor, &err), XL_OK,
               &err) &&
           XL_CHECK(t, floor != NULL);
}

static void check_same(struct xl_test *t, struct lender *l, enum xl_tier tier,
                       size_t readers)
{
    enum {
        EACH = XL_OWN_FLOOR_TOKENS / XL_REFERENCE_PASS
    };
    struct xl_own_floors lent, own = { 0 };
    if (floor_by(t, l, tier, true, &lent)) {
        const struct xl_own_floor *a = &lent.items[0], *b = &own.items[0];
        XL_CHECK_EQ(t, l->passes, EACH);
        if (floor_by(t, l, tier, false, &own)) {
            XL_CHECK_EQ(t, l->passes, readers * EACH);
            XL_CHECK(t, memcmp(a->blocks, b->blocks,
                               2 * a->n_blocks * sizeof *a->blocks) == 0);
        }
        for (size_t i = XL_SCORE_NONFINITE; i < XL_SCORE_COUNT; i++)
            XL_CHECK(t, a->scores[i].is_known == b->scores[i].is_known &&
                            (!a->scores[i].is_known ||
                             memcmp(&a->scores[i].value, &b->scores[i].value,
                                    sizeof(double)) == 0));
    }
    xl_own_floors_release(&lent);
    xl_own_floors_release(&own);
}

/* Rows that reference and twin keep make the same floor as rows computed for
 * it alone, of a text that goes on behind it; three workers that compare them
 * the same as one. */
static void lent_rows_make_the_same_floor(struct xl_test *t)
{
    struct bench b;
    struct lender l = { 0 };
    struct xl_err err = { 0 };
    xl_judge_reference(&l.naive);
    if (bench_open(t, &b, NULL, NULL) &&
        XL_CHECK_STATUS(t,
                        xl_judge_extend(&b.text, b.model, NULL,
                                        XL_OWN_FLOOR_TOKENS + 100, 5, &err),
                        XL_OK, &err)) {
        l.spec = (struct xl_reference_spec){ .model = b.model,
                                             .params = &l.naive,
                                             .tokens = b.text.ids.data,
                                             .n = b.text.ids.n,
                                             .text_hash = b.text.hash,
                                             .piece = XL_REFERENCE_PASS };
        xl_twins_init(&l.twins, &l.spec);
        if (XL_CHECK_STATUS(t, xl_reference_make(&l.reference, &l.spec, &err),
                            XL_OK, &err) &&
            XL_CHECK_STATUS(
                t,
                xl_pool_make(&l.pool, &(struct xl_pool_options){ .width = 3 },
                             &err),
                XL_OK, &err)) {
            XL_CHECK(t, xl_reference_keeps(l.reference));
            check_same(t, &l, XL_TIER_BF16, 2);
            check_same(t, &l, XL_TIER_Q8, 3);
        }
    }
    xl_pool_free(l.pool);
    xl_reference_free(l.reference);
    xl_twins_release(&l.twins);
    bench_close(&b);
}

/* -- kept floors ----------------------------------------------------------- */

enum {
    CHECK_AT = 8 + 3 * 8 + XL_HASH_TEXT, /* in the header of a .floor file */
    HASH_AT = CHECK_AT + XL_HASH_TEXT,
    BODY_AT = HASH_AT + XL_HASH_TEXT + 5
};

/* The path of the only .floor file of a folder, or NULL. */
static char *find_floor(const char *folder)
{
    char *path = NULL;
    DIR *stream = opendir(folder);
    struct dirent *entry;
    while (stream && !path && (entry = readdir(stream)))
        if (strstr(entry->d_name, ".floor"))
            path = xl_io_join(folder, entry->d_name);
    if (stream)
        closedir(stream);
    return path;
}

/* The floor of kl_mean that a judge of its own finds. */
static double floor_found(struct xl_test *t, const char *folder)
{
    struct bench b;
    struct xl_judgement j = { 0 };
    if (bench_open(t, &b, NULL, folder))
        judge_as(t, &b, "weight_dtype=bf16", XL_TIER_BF16, &j);
    bench_close(&b);
    return j.ruling.gates[XL_GATE_KL_MEAN].floor;
}

/* Writes the file with kl_mean's floor at 1, its hash made to fit, and, when
 * asked for, of another build. */
static void forge(struct xl_test *t, const char *path,
                  const struct xl_buf *file, bool is_foreign)
{
    const double one = 1;
    struct xl_err err = { 0 };
    char *bytes = xl_alloc(file->len);
    if (!XL_CHECK(t, bytes != NULL))
        return;
    memcpy(bytes, file->data, file->len);
    memcpy(bytes + BODY_AT + XL_SCORE_KL_MEAN * sizeof one, &one, sizeof one);
    bytes[CHECK_AT] ^= is_foreign;
    xl_hash(bytes + HASH_AT, bytes + BODY_AT, file->len - BODY_AT);
    XL_CHECK_STATUS(t, xl_io_replace(path, bytes, file->len, &err), XL_OK,
                    &err);
    xl_free(bytes);
}

/* A file is believed when it is whole and of this arithmetic. */
static void floors_are_kept_and_checked(struct xl_test *t)
{
    struct xl_buf file;
    struct xl_err err = { 0 };
    char *folder = xl_io_join(t->dir, "kept");
    double floor = folder ? floor_found(t, folder) : 0;
    char *path = folder ? find_floor(folder) : NULL;
    xl_buf_init(&file, 0);
    XL_CHECK(t, floor > 0 && floor < 1e-3);
    if (XL_CHECK(t, path != NULL) &&
        XL_CHECK_STATUS(t, xl_io_read(path, &file, &err), XL_OK, &err)) {
        XL_CHECK_NEAR(t, floor_found(t, folder), floor, 0);
        forge(t, path, &file, false);
        XL_CHECK_NEAR(t, floor_found(t, folder), 1, 0); /* it is read */
        forge(t, path, &file, true);
        XL_CHECK_NEAR(t, floor_found(t, folder), floor, 0);
        XL_CHECK_STATUS(t, xl_io_replace(path, file.data, file.len / 2, &err),
                        XL_OK, &err);
        XL_CHECK_NEAR(t, floor_found(t, folder), floor, 0);
    }
    xl_buf_release(&file);
    xl_free(path);
    xl_free(folder);
}

const struct xl_test_case xl_suite_judge_floor[] = {
    XL_CASE(bf16_keeps_eight_bits),
    XL_CASE(int8_has_a_scale_a_group),
    XL_CASE(a_bound_is_twice_the_floor),
    XL_CASE(a_low_floor_tightens_nothing),
    XL_CASE(floors_have_an_end),
    XL_CASE(floors_are_asked_for_when_they_matter),
    XL_CASE(bf16_passes_and_no_fault_in_it),
    XL_CASE(int8_passes_and_no_fault_in_it),
    XL_CASE(no_format_is_sold_as_another),
    XL_CASE(a_reference_of_ones_own_has_no_floor),
    XL_CASE(lent_rows_make_the_same_floor),
    XL_CASE(floors_are_kept_and_checked),
    XL_CASE(a_verdict_names_floor_and_times),
    { 0 },
};
