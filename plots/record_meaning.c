/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fields of a record mean: outcome, score, winner, reference. */
#include "plots/record_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/json.h"

enum {
    MODEL_SHOWN = 40,
    CPU_SHOWN = 60,
    SUBTITLE_SHOWN = 120
};

static enum xl_outcome outcome_of(const struct xl_entry *entry)
{
    static const struct {
        const char *word;
        enum xl_outcome outcome;
    } statuses[] = {
#define XL_STATUS_WORD(word, outcome) { word, XL_OUTCOME_##outcome },
#define XL_VERDICT_WORD(word)
#include "plots/outcome.def"
#undef XL_STATUS_WORD
#undef XL_VERDICT_WORD
    };
    static const char *const verdicts[] = {
#define XL_STATUS_WORD(word, outcome)
#define XL_VERDICT_WORD(word) word,
#include "plots/outcome.def"
#undef XL_STATUS_WORD
#undef XL_VERDICT_WORD
    };
    enum xl_outcome outcome = XL_OUTCOME_FAILED;
    if (*entry->status == '\0' &&
        isnan(entry->values[XL_COLUMN_PREFILL_TOK_S]) &&
        isnan(entry->values[XL_COLUMN_DECODE_TOK_S]))
        return outcome;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (strcmp(statuses[i].word, entry->status) == 0)
            outcome = statuses[i].outcome;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (outcome == XL_OUTCOME_ACCEPTED &&
            strncmp(verdicts[i], entry->verdict, strlen(verdicts[i])) == 0)
            outcome = XL_OUTCOME_REJECTED;
    return outcome;
}

double xl_record_objective(const struct xl_record *record, double prefill,
                           double decode)
{
    if (strcmp(record->objective, "prefill") == 0)
        return prefill;
    if (strcmp(record->objective, "decode") == 0)
        return decode;
    if (strcmp(record->objective, "balanced") == 0)
        return sqrt(prefill * decode);
    return (double)NAN;
}

static double as_measured(const struct xl_record *record,
                          const struct xl_entry *entry)
{
    return xl_record_objective(record, entry->values[XL_COLUMN_PREFILL_TOK_S],
                               entry->values[XL_COLUMN_DECODE_TOK_S]);
}

double xl_entry_correction(const struct xl_record *record,
                           const struct xl_entry *entry)
{
    double ratio = entry->score / as_measured(record, entry);
    return isfinite(ratio) && ratio > 0 ? ratio : 1;
}

/* The objective's value; where no file tells it, that of its speeds. */
static double score_of(const struct xl_record *record,
                       const struct xl_entry *entry)
{
    double told = entry->values[XL_COLUMN_OBJECTIVE];
    return isnan(told) ? as_measured(record, entry) : told;
}

static bool is_trial(const struct xl_entry *entry, const cJSON *id)
{
    char text[40];
    if (cJSON_IsString(id))
        return strcmp(entry->id, id->valuestring) == 0;
    if (!cJSON_IsNumber(id))
        return false;
    snprintf(text, sizeof text, "%.15g", id->valuedouble);
    return strcmp(entry->id, text) == 0;
}

static void mark_entries(struct xl_record *record)
{
    const cJSON *from = xl_json_member(record->best, "provenance");
    const cJSON *versus = xl_json_member(from, "versus");
    const cJSON *winner = xl_json_member(from, "trial");
    const cJSON *other = xl_json_member(versus, "trial");
    for (size_t i = 0; i < record->n_entries; i++) {
        struct xl_entry *entry = &record->entries[i];
        entry->outcome = outcome_of(entry);
        entry->score = score_of(record, entry);
        entry->is_winner = is_trial(entry, winner);
        if (is_trial(entry, other))
            entry->is_reference = true;
        record->counts[entry->outcome]++;
    }
}

static const char *meta_text(const struct xl_record *record, const char *key,
                             const char *fallback)
{
    const cJSON *item = xl_json_member(record->meta, key);
    return cJSON_IsString(item) ? item->valuestring : fallback;
}

static void read_objective(struct xl_record *record)
{
    record->objective = meta_text(
        record, "objective", record->objective ? record->objective : "decode");
    record->is_minimised =
        strcmp(meta_text(record, "direction", "max"), "min") == 0;
}

/* Cuts text at a whole character so that it holds at most n bytes. */
static size_t cut(const char *text, size_t n)
{
    size_t at = 0;
    while (text[at]) {
        size_t len = xl_utf8_length(text + at, strlen(text + at));
        len = len ? len : 1;
        if (at + len > n)
            break;
        at += len;
    }
    return at;
}

static void add_fact(struct xl_buf *out, const char *label, const cJSON *item)
{
    if (!cJSON_IsNumber(item) && !cJSON_IsString(item))
        return;
    xl_buf_text(out, out->len ? " \xc2\xb7 " : "");
    if (cJSON_IsNumber(item))
        xl_buf_printf(out, "%s %.15g", label, item->valuedouble);
    else
        xl_buf_printf(out, "%s%s%.*s", label, *label ? " " : "",
                      (int)cut(item->valuestring, CPU_SHOWN),
                      item->valuestring);
}

/* "n = 7 samples a trial", or their range. */
static void add_count(struct xl_buf *out, const struct xl_record *record)
{
    double least = (double)NAN, most = (double)NAN;
    for (size_t i = 0; i < record->n_entries; i++) {
        double n = record->entries[i].values[XL_COLUMN_N];
        least = fmin(least, n);
        most = fmax(most, n);
    }
    if (!(least > 0))
        return;
    xl_buf_printf(out, "%sn = %.0f", out->len ? " \xc2\xb7 " : "", least);
    if (most > least)
        xl_buf_printf(out, "\xe2\x80\x93%.0f", most);
    xl_buf_text(out, " samples a trial");
}

static void make_subtitle(struct xl_record *record)
{
    const cJSON *meta = record->meta;
    const char *model = meta_text(record, "model_path", "");
    size_t n = strlen(model);
    const cJSON *host = xl_json_member(meta, "host");
    const cJSON *cpu = xl_json_member(host, "cpu");
    struct xl_buf line;
    xl_buf_init(&line, 0);
    while (n && model[n - 1] == '/')
        n--;
    size_t start = n;
    while (start && model[start - 1] != '/')
        start--;
    size_t shown = cut(model + start, MODEL_SHOWN);
    if (shown)
        xl_buf_printf(&line, "model %.*s",
                      (int)(shown < n - start ? shown : n - start),
                      model + start);
    add_fact(&line, "prompt", xl_json_member(meta, "prompt_tokens"));
    add_fact(&line, "new", xl_json_member(meta, "new"));
    if (cJSON_IsObject(cpu))
        cpu = xl_json_member(cpu, "model");
    add_fact(&line, "", cpu);
    add_count(&line, record);
    if (!xl_buf_ok(&line))
        record->lacks_memory = true;
    record->subtitle = xl_record_text(
        record, "%.*s", (int)cut(line.data, SUBTITLE_SHOWN), line.data);
    xl_buf_release(&line);
}

void xl_record_interpret(struct xl_record *record)
{
    read_objective(record);
    mark_entries(record);
}

void xl_record_describe(struct xl_record *record)
{
    make_subtitle(record);
}
