/* SPDX-License-Identifier: Apache-2.0
 *
 * Replies as a server in Ollama's form gives them, and judges of several
 * characters that give them.
 */
#ifndef XL_RUBRIC_FIXTURE_H
#define XL_RUBRIC_FIXTURE_H

#include <semaphore.h>
#include <sys/types.h>

#include "judge/rubric.h"
#include "judge/rubric_texts.h"
#include "kernel/base/buf.h"
#include "tests/harness/test.h"
#include "tests/unit/http_fixture.h"

/* {"model": .., "message": {"role": .., "content": "<content>"}, ..} */
void xl_reply_around(const char *content, struct xl_buf *out);

/* Whole replies: every mark `score`; a choice. */
void xl_reply_marks(int score, struct xl_buf *out);
void xl_reply_duel(enum xl_choice choice, struct xl_buf *out);

/* -- judges ---------------------------------------------------------------- */

enum {
    XL_BENCH_TEXTS = 64
};

enum xl_rubric_character {
    XL_JUDGE_HONEST,   /* knows sound text and the reference's */
    XL_JUDGE_FAIR,     /* knows sound text, else cannot decide */
    XL_JUDGE_PARTIAL,  /* always the first text */
    XL_JUDGE_OBEDIENT, /* honest, but does what a text asks */
    XL_JUDGE_BABBLER,  /* no JSON */
    XL_JUDGE_BLUNT,    /* gives everything the same mark */
    XL_JUDGE_CHARACTERS
};

struct xl_rubric_bench {
    enum xl_rubric_character character;
    char *good[XL_BENCH_TEXTS]; /* texts that win, as a request shows them */
    size_t n_good;
    size_t most;               /* questions answered well; 0 = all */
    struct xl_http_answer end; /* how those after are answered */
    size_t n_contexts;         /* different values of num_ctx in a row */
    double context;
    size_t asked, mentions; /* questions; of a file or a parameter */
    /* A signal for a child before question `most`. */
    int signal;
    pid_t child;
    sem_t is_born;
};

/* Opens and writes the texts of the run in t->dir/run with the prompts in
 * t->dir/prompts.jsonl; false after a failed check. */
bool xl_rubric_bench_texts(struct xl_test *t, struct xl_rubric_texts *texts);

/* A judge of the run in the case's folder, t->dir/run, with t->dir/
 * prompts.jsonl; false after a failed check. */
bool xl_rubric_bench_open(struct xl_test *t, struct xl_rubric_bench *b,
                          enum xl_rubric_character character);
void xl_rubric_bench_close(struct xl_rubric_bench *b);

/* An xl_http_answer_fn. */
void xl_rubric_bench_play(void *ctx, const struct xl_http_seen *seen,
                          struct xl_http_answer *answer);

#endif
