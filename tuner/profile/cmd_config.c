/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/alloc.h"
#include "kernel/base/cmd.h"
#include "kernel/base/json.h"
#include "kernel/base/cmd_print.h"
#include "kernel/model/model.h"
#include "kernel/model/plan.h"
#include "kernel/run/engines_json.h"
#include "kernel/run/session.h"
#include "tuner/profile/home.h"

enum {
    OPT_ORIGIN,
    OPT_CONTEXT,
    OPT_COUNT
};
static const struct xl_opt rows[OPT_COUNT] = {
    [OPT_ORIGIN] = { .name = "origin",
                     .kind = XL_OPT_BOOL,
                     .help = "say where each value came from" },
    [OPT_CONTEXT] = { .name = "context",
                      .kind = XL_OPT_INT,
                      .arg = "N",
                      .help = "prompt tokens to choose the machine profile "
                              "for; 0 = unknown",
                      .fallback = "0",
                      .lo = 0,
                      .hi = 1e9 },
};

/* -- what is printed ------------------------------------------------------ */

static const char *value_text(const struct xl_params *params, size_t id,
                              char out[XL_VALUE_ROOM])
{
    return xl_param_format((enum xl_param)id, params->value[id], out);
}

static void show(const struct xl_layers *layers,
                 const struct xl_plan_engines *engines, bool origin)
{
    char text[XL_VALUE_ROOM];
    const struct xl_params *p = &layers->effective;
    for (size_t i = 0; i < XL_PARAM_COUNT; i++) {
        const char *name = xl_param_row((enum xl_param)i)->name;
        if (origin)
            printf("%-16s %-10s %-16s %s\n", name, value_text(p, i, text),
                   xl_layer_name(p->origin[i].layer), p->origin[i].where);
        else
            printf("%-16s %s\n", name, value_text(p, i, text));
    }
    if (engines->prefill)
        printf("engines: %s in prefill, %s in decode, %s for the head\n",
               engines->prefill, engines->decode, engines->head);
}

/* {"key": {"value":, "origin":}}, and what runs as gemm's "engines". */
static cJSON *show_json(const struct xl_layers *layers,
                        const struct xl_plan_engines *engines)
{
    cJSON *root = xl_params_origin_json(&layers->effective);
    cJSON *gemm = cJSON_GetObjectItem(root, xl_param_row(XL_PARAM_GEMM)->name);
    cJSON_AddItemToObject(gemm, "engines", xl_engines_json(engines));
    return root;
}

/* One line of the stack of a tunable, highest layer first. */
struct line {
    const char *layer, *where, *value;
    char status[256];
};

static void fill_line(const struct xl_layers *layers, enum xl_layer layer,
                      enum xl_param id, struct line *line,
                      char value[XL_VALUE_ROOM])
{
    const struct xl_params *p = &layers->layer[layer];
    const char *left_out = layers->left_out[layer][id];
    bool effective = layers->effective.origin[id].layer == layer;
    *line = (struct line){ .layer = xl_layer_name(layer),
                           .where = p->origin[id].where,
                           .value = value_text(p, id, value) };
    if (left_out)
        snprintf(line->status, sizeof line->status, "left out: %s", left_out);
    else
        snprintf(line->status, sizeof line->status, "%s",
                 effective ? "effective" : "shadowed");
}

static size_t stack_of(const struct xl_layers *layers, enum xl_param id,
                       struct line lines[XL_LAYER_COUNT],
                       char values[XL_LAYER_COUNT][XL_VALUE_ROOM])
{
    size_t n = 0;
    for (size_t i = XL_LAYER_COUNT; i-- > 0;) {
        if (layers->layer[i].origin[id].layer != (enum xl_layer)i)
            continue;
        fill_line(layers, (enum xl_layer)i, id, &lines[n], values[n]);
        n++;
    }
    return n;
}

/* What is known of a tunable with these values: why it has no effect, or NULL,
 * and for gemm the engines that run. */
struct facts {
    const char *inert;
    struct xl_plan_engines engines;
};

static void explain_text(const struct xl_layers *layers, enum xl_param id,
                         const struct line *lines, size_t n,
                         const struct facts *facts)
{
    int widest = (int)strlen("origin");
    for (size_t i = 0; i < n; i++)
        if ((int)strlen(lines[i].where) > widest)
            widest = (int)strlen(lines[i].where);
    printf("%s: %s\n\n", xl_param_row(id)->name, xl_param_row(id)->help);
    printf("%-16s %-*s %-10s %s\n", "layer", widest, "origin", "value",
           "status");
    for (size_t i = 0; i < n; i++)
        printf("%-16s %-*s %-10s %s\n", lines[i].layer, widest, lines[i].where,
               lines[i].value, lines[i].status);
    if (facts->inert)
        printf("\nNo effect with this configuration: %s.\n", facts->inert);
    if (id == XL_PARAM_GEMM && facts->engines.prefill)
        printf("\nRuns here: %s in prefill, %s in decode, %s for the head.\n",
               facts->engines.prefill, facts->engines.decode,
               facts->engines.head);
    if (layers->notes.len + layers->details.len)
        printf("\n%s%s", layers->notes.data, layers->details.data);
}

static void add_lines(cJSON *list, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        cJSON *object = cJSON_CreateObject();
        xl_json_add_text(object, "line", text, n);
        cJSON_AddItemToArray(list, cJSON_DetachItemFromObject(object, "line"));
        cJSON_Delete(object);
        text += n + (text[n] == '\n');
    }
}

/* Adds the value in JSON's own type. */
static void add_value(cJSON *object, enum xl_param id, int64_t value)
{
    cJSON *holder = cJSON_CreateObject();
    xl_param_add_json(holder, id, value);
    cJSON_AddItemToObject(
        object, "value",
        cJSON_DetachItemFromObject(holder, xl_param_row(id)->name));
    cJSON_Delete(holder);
}

static cJSON *explain_json(const struct xl_layers *layers, enum xl_param id,
                           const struct line *lines, size_t n,
                           const struct facts *facts)
{
    cJSON *root = cJSON_CreateObject();
    size_t k = 0;
    cJSON_AddStringToObject(root, "key", xl_param_row(id)->name);
    add_value(root, id, layers->effective.value[id]);
    cJSON_AddStringToObject(root, "origin",
                            xl_layer_name(layers->effective.origin[id].layer));
    xl_json_add_string(root, "inert", facts->inert);
    if (id == XL_PARAM_GEMM)
        cJSON_AddItemToObject(root, "engines",
                              xl_engines_json(&facts->engines));
    cJSON *stack = cJSON_AddArrayToObject(root, "stack");
    for (size_t i = XL_LAYER_COUNT; i-- > 0 && k < n;) {
        if (layers->layer[i].origin[id].layer != (enum xl_layer)i)
            continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "layer", lines[k].layer);
        xl_json_add_string(item, "where", lines[k].where);
        add_value(item, id, layers->layer[i].value[id]);
        cJSON_AddStringToObject(item, "status", lines[k].status);
        cJSON_AddItemToArray(stack, item);
        k++;
    }
    cJSON *notes = cJSON_AddArrayToObject(root, "notes");
    add_lines(notes, layers->notes.data);
    add_lines(notes, layers->details.data);
    return root;
}

/* -- the command ---------------------------------------------------------- */

/* What the words ask for. */
struct request {
    bool explain;
    enum xl_param id; /* of explain */
};

static enum xl_status unknown_key(const char *word, struct xl_err *err)
{
    const char *names[XL_PARAM_COUNT];
    char hint[80];
    for (size_t i = 0; i < XL_PARAM_COUNT; i++)
        names[i] = xl_param_row((enum xl_param)i)->name;
    return xl_fail(err, XL_EUSAGE, "unknown key '%s'%s", word,
                   xl_cmd_hint(word, names, XL_PARAM_COUNT, hint, sizeof hint));
}

static enum xl_status read_request(const struct xl_opts *opts,
                                   struct request *request, struct xl_err *err)
{
    static const char *const verbs[] = { "show", "explain" };
    const char *verb = opts->n_args ? opts->args[0] : "show";
    char hint[80];
    request->explain = strcmp(verb, "explain") == 0;
    if (!request->explain && strcmp(verb, "show") != 0)
        return xl_fail(err, XL_EUSAGE, "unknown action '%s'%s", verb,
                       xl_cmd_hint(verb, verbs, 2, hint, sizeof hint));
    if (request->explain ? opts->n_args != 2 : opts->n_args > 1)
        return xl_fail(err, XL_EUSAGE, "%s",
                       request->explain ? "'config explain' takes one key"
                                        : "'config show' takes no words");
    if (!request->explain)
        return XL_OK;
    request->id = xl_param_find(opts->args[1]);
    return request->id < XL_PARAM_COUNT ? XL_OK
                                        : unknown_key(opts->args[1], err);
}

static enum xl_status print_layers(const struct xl_cmd_ctx *ctx,
                                   const struct request *request,
                                   const struct xl_layers *layers,
                                   const struct xl_config *config,
                                   struct xl_err *err)
{
    struct line lines[XL_LAYER_COUNT];
    char values[XL_LAYER_COUNT][XL_VALUE_ROOM];
    const struct xl_plan_engines engines =
        xl_plan_engines(config, &layers->effective);
    if (!request->explain) {
        if (!ctx->quiet)
            fputs(layers->notes.data, stderr);
        if (ctx->json)
            return xl_print_json(show_json(layers, &engines), err);
        show(layers, &engines,
             xl_opt_bool(&ctx->opts, XL_GROUP_OWN, OPT_ORIGIN));
        return XL_OK;
    }
    size_t n = stack_of(layers, request->id, lines, values);
    const struct facts facts = {
        .inert = xl_plan_inert(config, &layers->effective, request->id),
        .engines = engines,
    };
    if (ctx->json)
        return xl_print_json(
            explain_json(layers, request->id, lines, n, &facts), err);
    explain_text(layers, request->id, lines, n, &facts);
    return XL_OK;
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct request request = { 0 };
    struct xl_model *model = NULL;
    struct xl_home home = { 0 };
    struct xl_layers layers = { 0 };
    char *dir = NULL;
    enum xl_status rc;
    size_t context = (size_t)xl_opt_int(&ctx->opts, XL_GROUP_OWN, OPT_CONTEXT);

    XL_TRY_DONE(rc, read_request(&ctx->opts, &request, err));
    XL_TRY_DONE(rc, xl_session_model_dir(&ctx->opts, &dir, err));
    XL_TRY_DONE(rc, xl_model_open(&model, dir, err));
    const struct xl_config *config = xl_model_config(model);
    XL_TRY_DONE(rc, xl_home_init(&home, &ctx->opts, config, context, err));
    XL_TRY_DONE(rc, xl_layers_resolve(&layers, &home.in, err));
    rc = print_layers(ctx, &request, &layers, config, err);
done:
    xl_layers_release(&layers);
    xl_home_release(&home);
    xl_model_close(model);
    xl_free(dir);
    return rc;
}

static const char *const verbs[] = { "show", "explain", NULL };

const struct xl_cmd xl_cmd_config = {
    .name = "config",
    .summary = "the effective configuration and where each value came from",
    .usage = "show [--origin] | explain KEY",
    .example = "xltune config explain chunk_size",
    .details = "Layers, lowest first: built-in defaults, the golden profile of "
               "the backend,\nthe machine profile (left out by --no-best), "
               "the kinds of weights of a packed\ncheckpoint, XLTUNE_<NAME> "
               "variables, --profile NAME, --config FILE, flags.",
    .verbs = verbs,
    .rows = rows,
    .n_rows = OPT_COUNT,
    .takes_model = true,
    .run = run,
};
