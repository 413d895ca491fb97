/* SPDX-License-Identifier: Apache-2.0
 *
 * A session with a state and one row of logits behind a plain C face. */
/* The rest of the library is hidden (kernel/CMakeLists.txt). */
#pragma GCC visibility push(default)
#include "kernel/xlstm.h"
#pragma GCC visibility pop

#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/model/state.h"
#include "kernel/run/session.h"

struct xlstm {
    struct xl_session session;
    struct xl_state state;
    float *logits; /* [vocab] */
    bool has_logits;
    bool is_fresh; /* nothing fed or restored yet */
};

static enum xlstm_status hand_on(enum xl_status rc, const struct xl_err *err,
                                 struct xlstm_error *error)
{
    enum xlstm_status status = rc == XL_OK       ? XLSTM_OK
                               : rc == XL_EUSAGE ? XLSTM_USAGE
                                                 : XLSTM_FAILED;
    if (error) {
        error->status = status;
        snprintf(error->message, sizeof error->message, "%s",
                 rc == XL_OK ? "" : err->message);
    }
    return status;
}

/* -- opening -------------------------------------------------------------- */

static enum xl_status read_params(struct xl_params *params,
                                  const struct xlstm_options *options,
                                  struct xl_err *err)
{
    static const char *const ignored[] = { "schema", NULL };
    const char *const *text = options->params;
    xl_params_init(params);
    if (options->profile)
        XL_TRY(xl_params_load(params, options->profile, XL_LAYER_CONFIG,
                              ignored, err));
    for (; text && *text; text++)
        XL_TRY(xl_params_set_pair(params, *text, strlen(*text),
                                  "options.params", err));
    return XL_OK;
}

static enum xl_status open_model(struct xlstm *m,
                                 const struct xlstm_options *options,
                                 struct xl_err *err)
{
    struct xl_session *s = &m->session;
    if (!options->model)
        return xl_fail(err, XL_EUSAGE, "options.model names no folder");
    XL_TRY(read_params(&s->params, options, err));
    s->model_dir = xl_strdup(options->model);
    if (!s->model_dir)
        return xl_fail(err, XL_ENOMEM, "out of memory");
    XL_TRY(xl_model_open(&s->model, s->model_dir, err));
    XL_TRY(xl_tokenizer_open(&s->tokenizer, s->model_dir, err));
    XL_TRY(xl_plan_make(&s->plan, s->model, &s->params, err));
    const struct xl_config *config = xl_model_config(s->model);
    XL_TRY(xl_state_init(&m->state, config, err));
    m->is_fresh = true;
    m->logits = xl_alloc_zero(config->vocab, sizeof *m->logits);
    return m->logits ? XL_OK
                     : xl_fail(err, XL_ENOMEM, "out of memory for %zu logits",
                               config->vocab);
}

enum xlstm_status xlstm_open(struct xlstm **model,
                             const struct xlstm_options *options,
                             struct xlstm_error *error)
{
    struct xl_err err = { 0 };
    struct xlstm *m = xl_alloc_zero(1, sizeof *m);
    enum xl_status rc = m ? open_model(m, options, &err)
                          : xl_fail(&err, XL_ENOMEM, "out of memory");
    if (rc != XL_OK) {
        xlstm_close(m);
        m = NULL;
    }
    *model = m;
    return hand_on(rc, &err, error);
}

void xlstm_close(struct xlstm *m)
{
    if (!m)
        return;
    xl_free(m->logits);
    xl_state_release(&m->state);
    xl_session_close(&m->session);
    xl_free(m);
}

/* -- what it is ----------------------------------------------------------- */

size_t xlstm_vocab(const struct xlstm *m)
{
    return xl_model_config(m->session.model)->vocab;
}

int32_t xlstm_end(const struct xlstm *m)
{
    const struct xl_config *config = xl_model_config(m->session.model);
    return config->has_eos ? (int32_t)config->eos : -1;
}

uint64_t xlstm_tokens(const struct xlstm *m)
{
    return m->state.tokens;
}

const char *xlstm_version(void)
{
    return XL_VERSION;
}

/* -- feeding -------------------------------------------------------------- */

static enum xl_status feed(struct xlstm *m, const struct xl_ids *ids,
                           struct xl_err *err)
{
    XL_TRY(xl_session_check_ids(&m->session, ids, err));
    if (ids->n == 0)
        return XL_OK;
    xl_plan_forward(m->session.plan, &m->state,
                    &(struct xl_pass){ .tokens = ids->data,
                                       .n = ids->n,
                                       .logits = m->logits,
                                       .last_only = true });
    m->has_logits = true;
    m->is_fresh = false;
    return XL_OK;
}

enum xlstm_status xlstm_prompt(struct xlstm *m, const char *text,
                               struct xlstm_error *error)
{
    struct xl_err err = { 0 };
    struct xl_ids ids = { 0 };
    enum xl_status rc = xl_session_encode(&m->session, text, strlen(text),
                                          m->is_fresh, &ids, &err);
    if (rc == XL_OK)
        rc = feed(m, &ids, &err);
    xl_ids_release(&ids);
    return hand_on(rc, &err, error);
}

enum xlstm_status xlstm_feed(struct xlstm *m, const int32_t *given, size_t n,
                             struct xlstm_error *error)
{
    struct xl_err err = { 0 };
    struct xl_ids ids = { 0 };
    enum xl_status rc = XL_OK;
    for (size_t i = 0; rc == XL_OK && i < n; i++)
        rc = xl_ids_add(&ids, given[i], &err);
    if (rc == XL_OK)
        rc = feed(m, &ids, &err);
    xl_ids_release(&ids);
    return hand_on(rc, &err, error);
}

enum xlstm_status xlstm_step(struct xlstm *m, int32_t id,
                             struct xlstm_error *error)
{
    struct xl_err err = { 0 };
    struct xl_ids one = { .data = &id, .n = 1, .room = 1 };
    return hand_on(feed(m, &one, &err), &err, error);
}

/* -- what comes out ------------------------------------------------------- */

const float *xlstm_logits(const struct xlstm *m)
{
    return m->has_logits ? m->logits : NULL;
}

int32_t xlstm_best(const struct xlstm *m)
{
    size_t best = 0, vocab = xlstm_vocab(m);
    if (!m->has_logits)
        return -1;
    for (size_t i = 1; i < vocab; i++)
        if (m->logits[i] > m->logits[best])
            best = i;
    return (int32_t)best;
}

size_t xlstm_text(const struct xlstm *m, int32_t id, char *text, size_t room)
{
    struct xl_buf bytes;
    xl_buf_init(&bytes, 0);
    xl_tokenizer_decode(m->session.tokenizer, id, &bytes);
    size_t n = xl_buf_ok(&bytes) ? bytes.len : 0;
    if (room > 0) {
        size_t fits = n < room - 1 ? n : room - 1;
        memcpy(text, bytes.data, fits);
        text[fits] = '\0';
    }
    xl_buf_release(&bytes);
    return n;
}

/* -- the sequence --------------------------------------------------------- */

void xlstm_reset(struct xlstm *m)
{
    xl_state_clear(&m->state);
    m->has_logits = false;
    m->is_fresh = true;
}

enum xlstm_status xlstm_save(const struct xlstm *m, const char *path,
                             struct xlstm_error *error)
{
    struct xl_err err = { 0 };
    return hand_on(xl_state_save(&m->state, path, &err), &err, error);
}

enum xlstm_status xlstm_restore(struct xlstm *m, const char *path,
                                struct xlstm_error *error)
{
    struct xl_err err = { 0 };
    enum xl_status rc = xl_state_load(&m->state, path, &err);
    if (rc == XL_OK) {
        m->state.tokens = 0;
        m->has_logits = false;
        m->is_fresh = false;
    }
    return hand_on(rc, &err, error);
}
