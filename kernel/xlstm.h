/* SPDX-License-Identifier: Apache-2.0
 *
 * xLSTM language models in your own program.
 *
 *     struct xlstm *m;
 *     struct xlstm_error error;
 *     struct xlstm_options options = { .model = "models/demo" };
 *     if (xlstm_open(&m, &options, &error) != XLSTM_OK)
 *         ... error.message says what and how to mend it ...
 *     xlstm_prompt(m, "It was", &error);
 *     for (int i = 0; i < 20; i++)
 *         xlstm_step(m, xlstm_best(m), &error);
 *     xlstm_close(m);
 *
 * A model owns its weights, threads, and one sequence: the recurrent state
 * after the tokens fed so far, of a size that does not grow with them. One
 * thread at a time may use a model; several models may live side by side.
 * Functions never print, exit or touch signals. error may be NULL.
 *
 * Link with pkg-config --libs xlstm. Symbols carry the version XLSTM_1: what
 * is declared here keeps its meaning as long as that name stands.
 */
#ifndef XLSTM_H
#define XLSTM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are the exit codes of the command line. */
enum xlstm_status {
    XLSTM_OK = 0,
    XLSTM_FAILED = 1, /* file, format, memory: the message says which */
    XLSTM_USAGE = 2   /* an argument or a value in a profile is wrong */
};

struct xlstm_error {
    enum xlstm_status status;
    char message[1024]; /* one line: the fault, the file, the way out */
};

struct xlstm;

struct xlstm_options {
    const char *model;         /* checkpoint folder */
    const char *profile;       /* best.json of a sweep, or any file of tunables;
                                  NULL = defaults */
    const char *const *params; /* "name=value", ended by NULL, above the
                                  profile; NULL = none */
};

/* Opens a checkpoint and gets it ready to run; *model is NULL on failure. */
enum xlstm_status xlstm_open(struct xlstm **model,
                             const struct xlstm_options *options,
                             struct xlstm_error *error);
void xlstm_close(struct xlstm *model); /* NULL is fine */

/* Ids run from 0 to below this. */
size_t xlstm_vocab(const struct xlstm *model);

/* The id that ends a text, or -1 when the model names none. */
int32_t xlstm_end(const struct xlstm *model);

/* Feeds a text. At the start of a sequence the model's beginning-of-text token
 * is put in front, unless the text begins with it. */
enum xlstm_status xlstm_prompt(struct xlstm *model, const char *text,
                               struct xlstm_error *error);

/* Feeds ids[0..n) in chunks; n = 0 does nothing. */
enum xlstm_status xlstm_feed(struct xlstm *model, const int32_t *ids, size_t n,
                             struct xlstm_error *error);

/* Feeds one id by the decode path. */
enum xlstm_status xlstm_step(struct xlstm *model, int32_t id,
                             struct xlstm_error *error);

/* Logits [vocab] after the last token fed, valid until the next feed; NULL
 * before the first one and after xlstm_restore. */
const float *xlstm_logits(const struct xlstm *model);

/* The likeliest next id, the lowest of equals; -1 without logits. */
int32_t xlstm_best(const struct xlstm *model);

/* The bytes that an id stands for, and a zero byte, into text[0..room);
 * returns their number without the zero, as if room were large enough. */
size_t xlstm_text(const struct xlstm *model, int32_t id, char *text,
                  size_t room);

/* Tokens fed since open, reset or restore. */
uint64_t xlstm_tokens(const struct xlstm *model);

/* Starts a new sequence. */
void xlstm_reset(struct xlstm *model);

/* The state of the sequence to a safetensors file and back, so that a prompt
 * is paid for once. The file is replaced whole or not at all. After restore
 * the next step or feed gives the logits again. */
enum xlstm_status xlstm_save(const struct xlstm *model, const char *path,
                             struct xlstm_error *error);
enum xlstm_status xlstm_restore(struct xlstm *model, const char *path,
                                struct xlstm_error *error);

/* "0.1.0" */
const char *xlstm_version(void);

#ifdef __cplusplus
}
#endif

#endif
