/* SPDX-License-Identifier: Apache-2.0
 *
 * One actor a band. It owns a private copy of its heads' states and a mailbox
 * of chunk messages; nobody else touches either. Worker 0 sends every actor
 * one message a chunk and then STOP; an actor that stops writes its states
 * back. Actors are spread over the workers, which give each of theirs one
 * message at a time. A mailbox has room for a whole job, so sending never
 * waits; its counter of messages sent is the only word that two threads
 * share.
 *
 * Messages name chunks and carry no pointers: what an actor does depends on
 * its mailbox alone, so no bit depends on time. */
#include "kernel/chunk/chunk.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "kernel/chunk/chunk_int.h"

static const size_t STOP = (size_t)-1;

struct actor {
    _Alignas(64) atomic_size_t sent; /* messages in the mailbox so far */
    _Alignas(64) size_t read;        /* the owner's */
    bool is_done;                    /* the owner's */
    size_t *mailbox; /* [most chunks + 1] chunk numbers, then STOP */
    char *states;    /* [heads of the band] */
};

struct run {
    const struct xl_chunk_spec *spec;
    const struct xl_chunk_job *job;
    struct actor *actors; /* [n_bands] */
    char *cells;          /* [workers] cell scratch */
};

static size_t mailbox_bytes(const struct xl_chunk_spec *spec)
{
    return xl_chunk_lines((xl_chunk_most(spec) + 1) * sizeof(size_t));
}

static size_t scratch_bytes(const struct xl_chunk_spec *spec)
{
    return spec->n_bands * (sizeof(struct actor) + mailbox_bytes(spec)) +
           spec->shape.heads * xl_chunk_state_bytes(spec) +
           xl_pool_width(spec->pool) * xl_chunk_cell_bytes(spec);
}

static void send(struct actor *actor, size_t message)
{
    size_t at = atomic_load_explicit(&actor->sent, memory_order_relaxed);
    actor->mailbox[at] = message;
    atomic_store_explicit(&actor->sent, at + 1, memory_order_release);
}

/* The next message; false when there is none yet. */
static bool receive(struct actor *actor, size_t *message)
{
    if (atomic_load_explicit(&actor->sent, memory_order_acquire) == actor->read)
        return false;
    *message = actor->mailbox[actor->read++];
    return true;
}

static struct xl_span heads_of(const struct run *run, size_t band)
{
    return xl_span_of(run->spec->shape.heads, run->spec->n_bands, band);
}

static struct xl_mlstm_state own_state(const struct run *run, size_t band,
                                       size_t head)
{
    size_t index = head - heads_of(run, band).begin;
    char *states = run->actors[band].states;
    return xl_chunk_state_at(run->spec,
                             states + index * xl_chunk_state_bytes(run->spec));
}

/* Copies the job's states of a band into its actor, or back. */
static void copy_states(const struct run *run, size_t band, bool back)
{
    struct xl_span heads = heads_of(run, band);
    for (size_t head = heads.begin; head < heads.end; head++) {
        struct xl_mlstm_state own = own_state(run, band, head);
        struct xl_mlstm_state job = xl_chunk_state(run->spec, run->job, head);
        xl_chunk_state_copy(run->spec, back ? &job : &own, back ? &own : &job);
    }
}

static void act(const struct run *run, size_t band, size_t message,
                float *scratch)
{
    struct xl_span heads = heads_of(run, band), tokens;
    if (message == STOP) {
        copy_states(run, band, true);
        run->actors[band].is_done = true;
        return;
    }
    tokens = xl_chunk_tokens(run->spec, run->job, message);
    for (size_t head = heads.begin; head < heads.end; head++) {
        struct xl_mlstm_state own = own_state(run, band, head);
        xl_chunk_advance(run->spec, run->job, head, tokens, &own, scratch);
    }
}

static void send_all(const struct run *run)
{
    size_t n_chunks = xl_chunk_count(run->spec, run->job);
    for (size_t c = 0; c <= n_chunks; c++)
        for (size_t band = 0; band < run->spec->n_bands; band++)
            send(&run->actors[band], c < n_chunks ? c : STOP);
}

static void work(void *ctx, size_t worker)
{
    const struct run *run = ctx;
    const struct xl_chunk_spec *spec = run->spec;
    size_t width = xl_pool_width(spec->pool), busy = 1, message;
    float *scratch =
        (float *)(void *)(run->cells + worker * xl_chunk_cell_bytes(spec));
    if (worker == 0)
        send_all(run);
    for (size_t band = worker; band < spec->n_bands; band += width)
        copy_states(run, band, false);
    while (busy) {
        busy = 0;
        for (size_t band = worker; band < spec->n_bands; band += width) {
            struct actor *actor = &run->actors[band];
            if (!actor->is_done && receive(actor, &message))
                act(run, band, message, scratch);
            busy += !actor->is_done;
        }
    }
}

/* Lays actors, mailboxes, states and cell scratch out in scratch. */
static void carve(struct run *run, char *scratch)
{
    const struct xl_chunk_spec *spec = run->spec;
    size_t n = spec->n_bands;
    run->actors = (struct actor *)(void *)scratch;
    char *mailboxes = scratch + n * sizeof *run->actors;
    char *states = mailboxes + n * mailbox_bytes(spec);
    for (size_t band = 0; band < n; band++) {
        struct actor *actor = &run->actors[band];
        atomic_init(&actor->sent, 0);
        actor->read = 0;
        actor->is_done = false;
        actor->mailbox =
            (size_t *)(void *)(mailboxes + band * mailbox_bytes(spec));
        actor->states =
            states + heads_of(run, band).begin * xl_chunk_state_bytes(spec);
    }
    run->cells = states + spec->shape.heads * xl_chunk_state_bytes(spec);
}

static void run_job(const struct xl_chunk_spec *spec,
                    const struct xl_chunk_job *job, void *scratch)
{
    struct run run = { .spec = spec, .job = job };
    if (job->tokens == 0)
        return;
    carve(&run, scratch);
    xl_pool_run(spec->pool, work, &run);
}

const struct xl_chunk_backend xl_chunk_actors = {
    .name = "actors",
    .knobs = XL_KNOB_CHUNK | XL_KNOB_BAND | XL_KNOB_WORKERS | XL_KNOB_TILES,
    .scratch_bytes = scratch_bytes,
    .run = run_job,
};
