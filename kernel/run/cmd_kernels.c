/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kernel/base/cmd.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cmd_print.h"
#include "kernel/base/json.h"
#include "kernel/cell/slstm.h"
#include "kernel/chunk/chunk.h"
#include "kernel/gemm/gemm.h"

enum {
    SLSTM_MOST = 8 /* variants listed */
};

static const char *const chunk_summaries[] = {
#define XL_CHUNK(id, name, knobs, summary) summary,
#include "kernel/chunk/chunk.def"
#undef XL_CHUNK
};

static const char *const cell_summaries[] = {
#define XL_CELL(id, name, summary) summary,
#include "kernel/cell/cell.def"
#undef XL_CELL
};

static const char *const gemm_summaries[] = {
#define XL_GEMM(id, name, summary) summary,
#include "kernel/gemm/gemm.def"
#undef XL_GEMM
};

/* One line of the list, whatever kind of kernel it is. */
struct entry {
    const char *kind, *name, *summary, *why_not;
};

static size_t list_kernels(struct entry *out)
{
    size_t n = 0;
    for (size_t i = 0; i < XL_CHUNK_COUNT; i++) {
        const struct xl_chunk_backend *b = xl_chunk_get((enum xl_chunk_id)i);
        out[n++] =
            (struct entry){ "backend", b->name, chunk_summaries[i], NULL };
    }
    for (size_t i = 0; i < XL_CELL_COUNT; i++) {
        const struct xl_cell *c = xl_cell_get((enum xl_cell_id)i);
        out[n++] =
            (struct entry){ "cell", c->name, cell_summaries[i], c->why_not() };
    }
    const struct xl_slstm *s;
    for (size_t i = 0; i < SLSTM_MOST && (s = xl_slstm_at(i)); i++)
        out[n++] = (struct entry){ "slstm", s->name, s->summary, s->why_not() };
    for (size_t i = 0; i < XL_GEMM_COUNT; i++) {
        const struct xl_gemm *g = xl_gemm_get((enum xl_gemm_id)i);
        out[n++] =
            (struct entry){ "gemm", g->name, gemm_summaries[i], g->why_not() };
    }
    return n;
}

static enum xl_status print_json(const struct entry *entries, size_t n,
                                 const struct xl_cpu *cpu, struct xl_err *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(root, "kernels");
    for (size_t i = 0; i < n; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "kind", entries[i].kind);
        cJSON_AddStringToObject(item, "name", entries[i].name);
        cJSON_AddStringToObject(item, "summary", entries[i].summary);
        cJSON_AddBoolToObject(item, "available", !entries[i].why_not);
        if (entries[i].why_not)
            cJSON_AddStringToObject(item, "reason", entries[i].why_not);
        else
            cJSON_AddNullToObject(item, "reason");
        cJSON_AddItemToArray(list, item);
    }
    cJSON *isa = cJSON_AddArrayToObject(root, "isa");
    for (size_t i = 0; i < XL_ISA_COUNT; i++)
        if (cpu->isa[i])
            cJSON_AddItemToArray(
                isa, cJSON_CreateString(xl_isa_name((enum xl_isa)i)));
    cJSON_AddNumberToObject(root, "cores", (double)cpu->cores);
    return xl_print_json(root, err);
}

static enum xl_status run(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct entry
        entries[XL_CHUNK_COUNT + XL_CELL_COUNT + SLSTM_MOST + XL_GEMM_COUNT];
    struct xl_cpu cpu;
    size_t n = list_kernels(entries);
    xl_cpu_read(&cpu);
    if (ctx->json)
        return print_json(entries, n, &cpu, err);
    printf("%zu usable cores; instruction sets:", cpu.cores);
    for (size_t i = 0; i < XL_ISA_COUNT; i++)
        if (cpu.isa[i])
            printf(" %s", xl_isa_name((enum xl_isa)i));
    printf("\n\n");
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &entries[i];
        printf("%-8s %-10s %-11s %s\n", e->kind, e->name,
               e->why_not ? "unavailable" : "available",
               e->why_not ? e->why_not : e->summary);
    }
    return XL_OK;
}

const struct xl_cmd xl_cmd_kernels = {
    .name = "kernels",
    .summary = "every kernel and backend, with its availability here",
    .usage = "[--json]",
    .example = "xltune kernels",
    .run = run,
};
