/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrices of one role in all blocks ("block.3.out" is an "out") are alike in
 * size, so a table of roles says as much as one of matrices. */
#include "kernel/run/packed_report.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/json.h"

enum {
    ROLE_ROOM = 96
};

/* One line of the table. */
struct line {
    const struct xl_packfile_matrix *first;
    size_t n;
    uint64_t bytes;
    struct xl_pack_report report;
};

static uint64_t bytes_of(const struct xl_packed *p)
{
    struct xl_pack_sizes sizes;
    (void)xl_pack_sizes(&sizes, p->kind, p->out, p->in);
    return (uint64_t)sizes.data_bytes + sizes.scale_bytes;
}

static void add(struct line *line, const struct xl_packfile_matrix *m)
{
    if (!line->n)
        line->first = m;
    line->n++;
    line->bytes += bytes_of(&m->packed);
    xl_pack_add(&line->report, &m->report);
}

/* "out" of "block.3.out"; other names as they are. */
static const char *role_of(const char *name)
{
    static const char block[] = "block.";
    if (strncmp(name, block, sizeof block - 1) != 0)
        return name;
    const char *dot = strchr(name + sizeof block - 1, '.');
    return dot ? dot + 1 : name;
}

static bool is_alike(const struct xl_packfile_matrix *a,
                     const struct xl_packfile_matrix *b)
{
    return strcmp(role_of(a->name), role_of(b->name)) == 0 &&
           a->packed.kind == b->packed.kind && a->packed.out == b->packed.out &&
           a->packed.in == b->packed.in;
}

/* Is i the first of its role? */
static bool leads(const struct xl_packfile *file, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (is_alike(xl_packfile_at(file, j), xl_packfile_at(file, i)))
            return false;
    return true;
}

static void print_line(const struct line *line, const char *name,
                       struct xl_buf *out)
{
    char size[ROLE_ROOM];
    const struct xl_packed *p = &line->first->packed;
    snprintf(size, sizeof size, "%zu x %zu", p->out, p->in);
    xl_buf_printf(out, "  %-24.40s %-4s %15s %10.2f %9.4f %10.3g\n", name,
                  xl_pack_name(p->kind), size, (double)line->bytes * 1e-6,
                  100 * xl_pack_rms(&line->report), line->report.worst);
}

static struct line total_of(const struct xl_packfile *file)
{
    struct line total = { 0 };
    for (size_t i = 0; i < xl_packfile_count(file); i++)
        add(&total, xl_packfile_at(file, i));
    return total;
}

static void print_role(const struct xl_packfile *file, size_t i,
                       struct xl_buf *out)
{
    char name[ROLE_ROOM];
    struct line line = { 0 };
    const struct xl_packfile_matrix *first = xl_packfile_at(file, i);
    for (size_t j = i; j < xl_packfile_count(file); j++)
        if (is_alike(first, xl_packfile_at(file, j)))
            add(&line, xl_packfile_at(file, j));
    snprintf(name, sizeof name, "%.40s", role_of(first->name));
    if (line.n > 1)
        snprintf(name, sizeof name, "%.40s, %zu times", role_of(first->name),
                 line.n);
    print_line(&line, name, out);
}

void xl_packed_text(const struct xl_packfile *file, bool each,
                    struct xl_buf *out)
{
    const struct xl_packfile_facts *facts = xl_packfile_facts(file);
    struct line total = total_of(file);
    xl_buf_printf(out,
                  "\nPacked weights, layout %d: %s weights, %s head\n"
                  "  %-24s %-4s %15s %10s %9s %10s\n",
                  xl_packfile_layout(), xl_pack_name(facts->weights),
                  xl_pack_name(facts->head), "matrix", "kind", "out x in", "MB",
                  "rms %", "worst");
    for (size_t i = 0; i < xl_packfile_count(file); i++) {
        struct line line = { 0 };
        add(&line, xl_packfile_at(file, i));
        if (each)
            print_line(&line, line.first->name, out);
        else if (leads(file, i))
            print_role(file, i, out);
    }
    xl_buf_printf(out, "  %-24s %-4s %15zu %10.2f %9.4f %10.3g\n", "all", "",
                  total.n, (double)total.bytes * 1e-6,
                  100 * xl_pack_rms(&total.report), total.report.worst);
    xl_buf_text(out, "rms: root mean square of the error over that of the "
                     "weights; worst: the largest\nabsolute error of one "
                     "weight.\n");
}

static cJSON *matrix_json(const struct xl_packfile_matrix *m)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", m->name);
    cJSON_AddStringToObject(o, "kind", xl_pack_name(m->packed.kind));
    cJSON_AddNumberToObject(o, "out", (double)m->packed.out);
    cJSON_AddNumberToObject(o, "in", (double)m->packed.in);
    cJSON_AddNumberToObject(o, "bytes", (double)bytes_of(&m->packed));
    xl_json_add_real(o, "rms", xl_pack_rms(&m->report));
    xl_json_add_real(o, "worst", m->report.worst);
    return o;
}

cJSON *xl_packed_json(const struct xl_packfile *file)
{
    const struct xl_packfile_facts *facts = xl_packfile_facts(file);
    struct line total = total_of(file);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "layout", xl_packfile_layout());
    cJSON_AddStringToObject(o, "weight_dtype", xl_pack_name(facts->weights));
    cJSON_AddStringToObject(o, "head_dtype", xl_pack_name(facts->head));
    xl_json_add_string(o, "source", facts->source);
    cJSON_AddNumberToObject(o, "bytes", (double)total.bytes);
    xl_json_add_real(o, "rms", xl_pack_rms(&total.report));
    xl_json_add_real(o, "worst", total.report.worst);
    cJSON *list = cJSON_AddArrayToObject(o, "matrices");
    for (size_t i = 0; i < xl_packfile_count(file); i++)
        cJSON_AddItemToArray(list, matrix_json(xl_packfile_at(file, i)));
    return o;
}
