/* SPDX-License-Identifier: Apache-2.0
 *
 * Each layer is loaded into a set of its own, so nothing is lost when a
 * higher one shadows it; the effective values are the highest that remain.
 *
 * Two layers are not named by anybody: the golden profile and the machine
 * profile. They are tried against the values that were named, all at once,
 * and when the model refuses that, one by one. */
#include "tuner/profile/resolve.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/model/stored.h"
#include "tuner/profile/best.h"

extern char **environ;

static enum xl_status fail_memory(struct xl_err *err)
{
    return xl_fail(err, XL_ENOMEM,
                   "out of memory resolving the "
                   "configuration");
}

/* -- merging -------------------------------------------------------------- */

bool xl_layers_sets(const struct xl_layers *layers, enum xl_layer layer,
                    enum xl_param id)
{
    return layers->layer[layer].origin[id].layer == layer &&
           !layers->left_out[layer][id];
}

static void copy_value(struct xl_params *to, const struct xl_params *from,
                       size_t id)
{
    to->value[id] = from->value[id];
    to->origin[id] = from->origin[id];
}

/* Overlays one layer's values on params. */
static void overlay(const struct xl_layers *layers, enum xl_layer layer,
                    struct xl_params *params)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        if (xl_layers_sets(layers, layer, (enum xl_param)i))
            copy_value(params, &layers->layer[layer], i);
}

/* The layers from lowest to FLAG, with or without the two unnamed ones. */
static void merge(const struct xl_layers *layers, bool golden, bool machine,
                  struct xl_params *out)
{
    *out = layers->layer[XL_LAYER_DEFAULT];
    for (size_t i = XL_LAYER_DEFAULT + 1; i < XL_LAYER_COUNT; i++) {
        if ((i == XL_LAYER_GOLDEN && !golden) ||
            (i == XL_LAYER_MACHINE && !machine))
            continue;
        overlay(layers, (enum xl_layer)i, out);
    }
}

/* -- layers somebody named ------------------------------------------------ */

/* A profile that failed its quality gate is refused even by name. */
static enum xl_status check_verdict(const char *text, size_t n,
                                    const char *path, struct xl_err *err)
{
    static const char *const parents[] = { "quality", NULL };
    cJSON *root = NULL;
    XL_TRY(xl_json_parse(text, n, path, &root, err));
    const char *verdict = cJSON_GetStringValue(
        xl_json_member(xl_json_member(root, "quality"), "verdict"));
    enum xl_status rc = XL_OK;
    if (verdict && strcmp(verdict, "pass") != 0) {
        struct xl_json_place place = xl_json_find(text, n, parents, "verdict");
        rc = xl_fail(err, XL_EUSAGE,
                     "'%s' line %zu column %zu: profile "
                     "refused, its quality verdict is '%s', not 'pass'",
                     path, place.line, place.column, verdict);
    }
    cJSON_Delete(root);
    return rc;
}

static enum xl_status load_named(struct xl_params *params, const char *path,
                                 enum xl_layer layer, struct xl_err *err)
{
    /* A flat file of tunables may name its schema. */
    static const char *const ignored[] = { "schema", NULL };
    struct xl_buf text;
    xl_buf_init(&text, XL_JSON_SMALL);
    enum xl_status rc = xl_io_read(path, &text, err);
    if (rc == XL_ENOTFOUND || rc == XL_EIO)
        rc = XL_EUSAGE; /* the user named it */
    if (rc == XL_OK)
        rc = xl_params_parse(params, text.data, text.len, path, layer, ignored,
                             err);
    if (rc == XL_OK)
        rc = check_verdict(text.data, text.len, path, err);
    xl_buf_release(&text);
    return rc;
}

static enum xl_status fail_no_profile(const struct xl_layers_in *in,
                                      const char *path, struct xl_err *err)
{
    struct xl_names names;
    XL_TRY(xl_names_list(&names, in->paths->configs, err));
    const char *near =
        xl_nearest(in->profile, (const char *const *)names.items, names.n);
    xl_fail(err, XL_EUSAGE, "there is no profile '%s': no file '%s'%s%s%s",
            in->profile, path, near ? "; nearest is '" : "", near ? near : "",
            near ? "'" : "");
    xl_names_release(&names);
    return XL_EUSAGE;
}

static enum xl_status load_profile(struct xl_layers *layers,
                                   const struct xl_layers_in *in,
                                   struct xl_err *err)
{
    struct xl_buf path;
    if (!in->profile)
        return XL_OK;
    if (!in->profile[0] || strchr(in->profile, '/'))
        return xl_fail(err, XL_EUSAGE,
                       "'%s' is no name of a profile; "
                       "--config takes paths",
                       in->profile);
    xl_buf_init(&path, 1 << 16);
    xl_buf_printf(&path, "%s/%s.json", in->paths->configs, in->profile);
    enum xl_status rc = xl_buf_check(&path, "the path of a profile", err);
    if (rc == XL_OK && !xl_io_exists(path.data))
        rc = fail_no_profile(in, path.data, err);
    if (rc == XL_OK)
        rc = load_named(&layers->layer[XL_LAYER_PROFILE], path.data,
                        XL_LAYER_PROFILE, err);
    xl_buf_release(&path);
    return rc;
}

static enum xl_status load_named_layers(struct xl_layers *layers,
                                        const struct xl_layers_in *in,
                                        struct xl_err *err)
{
    if (!in->env)
        XL_TRY(xl_params_check_env(environ, err));
    XL_TRY(xl_params_from_env(&layers->layer[XL_LAYER_ENV], in->env,
                              in->env_ctx, err));
    XL_TRY(load_profile(layers, in, err));
    if (in->file)
        XL_TRY(load_named(&layers->layer[XL_LAYER_CONFIG], in->file,
                          XL_LAYER_CONFIG, err));
    if (!in->opts)
        return XL_OK;
    return xl_params_from_flags(&layers->layer[XL_LAYER_FLAG], in->opts,
                                in->tunables, in->pairs, in->n_pairs, err);
}

/* -- what the model refuses ----------------------------------------------- */

static enum xl_status check_values(const struct xl_layers_in *in,
                                   const struct xl_params *params,
                                   struct xl_err *err)
{
    return in->check ? in->check(in->config, params, err) : XL_OK;
}

/* The first named value without which the rest would be allowed. */
static enum xl_status blame(const struct xl_layers *layers,
                            const struct xl_layers_in *in,
                            const struct xl_params *params, struct xl_err *err)
{
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        struct xl_params without = *params;
        if (params->origin[i].layer < XL_LAYER_ENV)
            continue;
        copy_value(&without, &layers->layer[XL_LAYER_DEFAULT], i);
        if (check_values(in, &without, NULL) != XL_OK)
            continue;
        xl_err_prefix(err, "%s", params->origin[i].where);
        break;
    }
    return XL_EUSAGE;
}

static enum xl_status check_named(const struct xl_layers *layers,
                                  const struct xl_layers_in *in,
                                  struct xl_err *err)
{
    struct xl_params named;
    merge(layers, false, false, &named);
    if (check_values(in, &named, err) == XL_OK)
        return XL_OK;
    return blame(layers, in, &named, err);
}

static enum xl_status leave_out(struct xl_layers *layers, enum xl_layer layer,
                                size_t id, const char *reason,
                                struct xl_err *err)
{
    char text[XL_VALUE_ROOM];
    const struct xl_params *from = &layers->layer[layer];
    layers->left_out[layer][id] = xl_strdup(reason);
    if (!layers->left_out[layer][id])
        return fail_memory(err);
    xl_buf_printf(&layers->notes, "%s: %s %s of the %s is left out: %s\n",
                  from->origin[id].where, xl_param_row((enum xl_param)id)->name,
                  xl_param_format((enum xl_param)id, from->value[id], text),
                  xl_layer_name(layer), reason);
    return XL_OK;
}

/* base with one value of the layer, under everything that is higher. */
static void try_value(const struct xl_layers *layers, enum xl_layer layer,
                      const struct xl_params *base, size_t id,
                      struct xl_params *out)
{
    *out = *base;
    copy_value(out, &layers->layer[layer], id);
    for (size_t i = layer + 1; i < XL_LAYER_COUNT; i++)
        overlay(layers, (enum xl_layer)i, out);
}

/* Adds to base the values of the layer that are allowed together; rounds go
 * on as long as one more is, since a value may need a later one. */
static void accept_each(const struct xl_layers *layers, enum xl_layer layer,
                        const struct xl_layers_in *in, struct xl_params *base)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
            struct xl_params next;
            if (base->origin[i].layer == layer ||
                !xl_layers_sets(layers, layer, (enum xl_param)i))
                continue;
            try_value(layers, layer, base, i, &next);
            if (check_values(in, &next, NULL) != XL_OK)
                continue;
            copy_value(base, &layers->layer[layer], i);
            more = true;
        }
    }
}

/* Leaves out what of an unnamed layer this model does not allow. */
static enum xl_status prune(struct xl_layers *layers, enum xl_layer layer,
                            const struct xl_layers_in *in, struct xl_err *err)
{
    struct xl_params base = layers->layer[XL_LAYER_DEFAULT], all;
    merge(layers, layer == XL_LAYER_GOLDEN, true, &all);
    if (check_values(in, &all, NULL) == XL_OK)
        return XL_OK;
    accept_each(layers, layer, in, &base);
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        struct xl_err why = { 0 };
        struct xl_params with;
        if (base.origin[i].layer == layer ||
            !xl_layers_sets(layers, layer, (enum xl_param)i))
            continue;
        try_value(layers, layer, &base, i, &with);
        check_values(in, &with, &why);
        XL_TRY(leave_out(layers, layer, i, why.message, err));
    }
    return XL_OK;
}

/* -- the two unnamed layers ----------------------------------------------- */

static void note_candidates(struct xl_layers *layers)
{
    for (size_t i = 0; i < layers->found.n; i++) {
        const struct xl_candidate *item = &layers->found.items[i];
        bool foreign = item->is_readable && item->match.grade == XL_GRADE_NONE;
        if (xl_candidate_usable(item))
            continue;
        if (item->is_readable)
            xl_buf_printf(foreign ? &layers->details : &layers->notes,
                          "profile '%s' %s\n", item->path, item->fault.message);
        else
            xl_buf_printf(&layers->notes, "profile left out: %s\n",
                          item->fault.message);
    }
}

/* Only a context that is unknown here is no news. */
static void note_match(struct xl_layers *layers, const struct xl_layers_in *in)
{
    const struct xl_candidate *item = layers->machine;
    const char *grade = xl_grade_name(item->match.grade);
    bool exact = item->match.grade == XL_GRADE_EXACT;
    bool nearly =
        exact && (item->match.context_steps == 0 || in->key.context == 0);
    if (nearly)
        xl_buf_printf(&layers->details, "profile '%s' fits: exact\n",
                      item->path);
    else if (exact)
        xl_buf_printf(&layers->notes,
                      "profile '%s' fits this machine and "
                      "model, but its %s\n",
                      item->path, item->match.differs);
    else
        xl_buf_printf(&layers->notes,
                      "profile '%s' fits only by %s: its "
                      "%s\n",
                      item->path, grade, item->match.differs);
}

/* Leaves out what counts cores when there are more or fewer of them here. */
static enum xl_status drop_sized(struct xl_layers *layers, enum xl_layer layer,
                                 const struct xl_key *theirs,
                                 const struct xl_layers_in *in,
                                 struct xl_err *err)
{
    static const enum xl_param sized[] = { XL_PARAM_WORKERS,
                                           XL_PARAM_DECODE_WORKERS,
                                           XL_PARAM_STREAMS };
    char why[80];
    uint64_t cores = theirs->hardware.cores, here = in->key.hardware.cores;
    snprintf(why, sizeof why, "it is for %llu cores, here are %llu",
             (unsigned long long)cores, (unsigned long long)here);
    for (size_t i = 0; i < sizeof sized / sizeof *sized && cores != here; i++) {
        enum xl_param id = sized[i];
        if (xl_layers_sets(layers, layer, id) &&
            layers->layer[layer].value[id] != 0)
            XL_TRY(leave_out(layers, layer, id, why, err));
    }
    return XL_OK;
}

static enum xl_status load_machine(struct xl_layers *layers,
                                   const struct xl_layers_in *in,
                                   struct xl_err *err)
{
    struct xl_params named;
    struct xl_best best;
    if (in->no_best)
        return XL_OK;
    merge(layers, false, false, &named);
    bool asked = named.origin[XL_PARAM_BACKEND].layer != XL_LAYER_DEFAULT;
    struct xl_find find = { .paths = in->paths,
                            .key = &in->key,
                            .backend =
                                asked ? named.value[XL_PARAM_BACKEND] : -1 };
    XL_TRY(xl_profile_find(&layers->found, &find, err));
    note_candidates(layers);
    if (layers->found.n == 0 || !xl_candidate_usable(layers->found.items))
        return XL_OK;
    XL_TRY(xl_best_load(&best, layers->found.items[0].path, XL_BEST_FULL,
                        XL_LAYER_MACHINE, err));
    layers->layer[XL_LAYER_MACHINE] = best.params;
    layers->machine = &layers->found.items[0];
    note_match(layers, in);
    enum xl_status rc =
        drop_sized(layers, XL_LAYER_MACHINE, &best.key, in, err);
    xl_best_release(&best);
    XL_TRY(rc);
    return prune(layers, XL_LAYER_MACHINE, in, err);
}

/* The backend is what chose the file, so it is no value of the file. */
static void forget(struct xl_layers *layers, enum xl_layer layer,
                   enum xl_param id)
{
    copy_value(&layers->layer[layer], &layers->layer[XL_LAYER_DEFAULT], id);
}

/* "GOLDEN/BACKEND.json", or with a model's hash "GOLDEN/BACKEND-HASH.json". */
static enum xl_status golden_path(const struct xl_layers_in *in,
                                  const char *backend, const char *hash,
                                  struct xl_buf *path, struct xl_err *err)
{
    xl_buf_clear(path);
    xl_buf_printf(path, "%s/%s%s%s.json", in->paths->golden, backend,
                  hash ? "-" : "", hash ? hash : "");
    return xl_buf_check(path, "the path of a profile", err);
}

/* Does a golden profile that was measured fit this machine? Says it when it
 * does not, or not exactly. */
static bool fits_here(struct xl_layers *layers, const struct xl_layers_in *in,
                      const struct xl_best *best, const char *path)
{
    struct xl_match match;
    if (!best->has_key)
        return true;
    xl_key_match(&best->key, &in->key, &match);
    if (match.grade == XL_GRADE_NONE)
        xl_buf_printf(&layers->details,
                      "golden profile '%s' does not fit: %s\n", path,
                      match.differs);
    else if (match.grade != XL_GRADE_EXACT)
        xl_buf_printf(&layers->details,
                      "golden profile '%s' fits only by %s: its %s\n", path,
                      xl_grade_name(match.grade), match.differs);
    return match.grade != XL_GRADE_NONE;
}

static enum xl_status load_backends(struct xl_layers *layers,
                                    const struct xl_layers_in *in,
                                    const char *backend, struct xl_buf *path,
                                    struct xl_err *err)
{
    struct xl_best best = { 0 };
    char hash[XL_KEY_HASH];
    XL_TRY(xl_key_model_hash(&in->key.model, hash, err));
    XL_TRY(golden_path(in, backend, hash, path, err));
    bool is_used = xl_io_exists(path->data);
    if (is_used) {
        XL_TRY(xl_best_load(&best, path->data, XL_BEST_GOLDEN, XL_LAYER_GOLDEN,
                            err));
        is_used = fits_here(layers, in, &best, path->data);
        if (!is_used)
            xl_best_release(&best);
    }
    if (!is_used) {
        XL_TRY(golden_path(in, backend, NULL, path, err));
        enum xl_status rc = xl_best_load(&best, path->data, XL_BEST_GOLDEN,
                                         XL_LAYER_GOLDEN, err);
        XL_TRY(rc == XL_ENOTFOUND ? XL_EUSAGE : rc);
    }
    layers->layer[XL_LAYER_GOLDEN] = best.params;
    enum xl_status rc =
        best.has_key ? drop_sized(layers, XL_LAYER_GOLDEN, &best.key, in, err)
                     : XL_OK;
    xl_best_release(&best);
    return rc;
}

/* One that was measured with this shape of model on machines like this; else
 * the starting values of the backend. */
static enum xl_status load_golden(struct xl_layers *layers,
                                  const struct xl_layers_in *in,
                                  struct xl_err *err)
{
    struct xl_params chosen;
    struct xl_buf path;
    char backend[XL_VALUE_ROOM];
    if (!in->paths->golden) {
        xl_buf_text(&layers->notes,
                    "the shipped golden profiles are not "
                    "where they were installed; their layer is empty\n");
        return XL_OK;
    }
    merge(layers, false, true, &chosen);
    xl_param_format(XL_PARAM_BACKEND, chosen.value[XL_PARAM_BACKEND], backend);
    xl_buf_init(&path, 1 << 16);
    enum xl_status rc = load_backends(layers, in, backend, &path, err);
    xl_buf_release(&path);
    XL_TRY(rc);
    forget(layers, XL_LAYER_GOLDEN, XL_PARAM_BACKEND);
    return prune(layers, XL_LAYER_GOLDEN, in, err);
}

/* -- the whole ------------------------------------------------------------ */

static enum xl_status resolve(struct xl_layers *layers,
                              const struct xl_layers_in *in, struct xl_err *err)
{
    if (in->config)
        xl_stored_apply(in->config, &layers->layer[XL_LAYER_CHECKPOINT]);
    XL_TRY(load_named_layers(layers, in, err));
    XL_TRY(check_named(layers, in, err));
    XL_TRY(load_machine(layers, in, err));
    XL_TRY(load_golden(layers, in, err));
    merge(layers, true, true, &layers->effective);
    XL_TRY(check_values(in, &layers->effective, err));
    XL_TRY(xl_buf_check(&layers->notes, "notes on profiles", err));
    return xl_buf_check(&layers->details, "notes on profiles", err);
}

enum xl_status xl_layers_resolve(struct xl_layers *layers,
                                 const struct xl_layers_in *in,
                                 struct xl_err *err)
{
    *layers = (struct xl_layers){ 0 };
    for (size_t i = 0; i < XL_LAYER_COUNT; i++)
        xl_params_init(&layers->layer[i]);
    xl_buf_init(&layers->notes, 1 << 20);
    xl_buf_init(&layers->details, 1 << 20);
    enum xl_status rc = resolve(layers, in, err);
    if (rc != XL_OK)
        xl_layers_release(layers);
    return rc;
}

void xl_layers_release(struct xl_layers *layers)
{
    for (size_t i = 0; i < XL_LAYER_COUNT; i++)
        for (size_t j = 0; j < XL_PARAM_COUNT; j++)
            xl_free(layers->left_out[i][j]);
    xl_candidates_release(&layers->found);
    xl_buf_release(&layers->notes);
    xl_buf_release(&layers->details);
    *layers = (struct xl_layers){ 0 };
}
