/* SPDX-License-Identifier: Apache-2.0
 *
 * The report for people, within 80 columns. */
#include <stdio.h>
#include <string.h>

#include "kernel/param/param.h"
#include "kernel/run/inspect_int.h"

enum {
    AMOUNT_ROOM = 32,
    SHAPE_ROOM = 64
};

/* Quantised weights are held in groups of 32 with an fp16 scale each. */
static const struct {
    const char *name;
    double bytes;
} known_bytes[] = {
    { "fp32", 4 },
    { "bf16", 2 },
    { "int8", 1.0625 },
    { "int4", 0.5625 },
};

double xl_inspect_weight_bytes(const char *name)
{
    for (size_t i = 0; i < sizeof known_bytes / sizeof known_bytes[0]; i++)
        if (strcmp(known_bytes[i].name, name) == 0)
            return known_bytes[i].bytes;
    return 0;
}

/* "13.7 G" and the like, with three digits; unit stands behind. */
static const char *amount(double x, const char *unit, char out[AMOUNT_ROOM])
{
    static const char steps[] = " kMGTP";
    size_t i = 0;
    while (x >= 999.5 && i + 2 < sizeof steps) {
        x /= 1000;
        i++;
    }
    int digits = x >= 99.95 || i == 0 ? 0 : x >= 9.995 ? 1 : 2;
    if (i == 0)
        snprintf(out, AMOUNT_ROOM, "%.0f%s%s", x, unit[0] ? " " : "", unit);
    else
        snprintf(out, AMOUNT_ROOM, "%.*f %c%s", digits, x, steps[i], unit);
    return out;
}

static const char *shape_text(const struct xl_tensor *t, char out[SHAPE_ROOM])
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < t->n_dims && at < SHAPE_ROOM; i++)
        at += (size_t)snprintf(out + at, SHAPE_ROOM - at, "%s%zu",
                               i ? " x " : "", t->shape[i]);
    return out;
}

static void head_line(const struct xl_inspection *it, struct xl_buf *out)
{
    char a[AMOUNT_ROOM], b[AMOUNT_ROOM];
    const char *between = "";
    xl_buf_printf(out, "%s\n", it->dir);
    xl_buf_printf(out, "  %s, %s parameters, %zu tensors, %s in files (",
                  it->config.arch == XL_ARCH_XLSTM ? "xlstm"
                                                   : "xlstm_block_stack",
                  amount((double)it->cost.parameters, "", a),
                  xl_safetensors_count(it->files),
                  amount((double)xl_safetensors_bytes(it->files), "B", b));
    for (size_t i = 0; i < XL_DTYPE_COUNT; i++) {
        if (it->by_dtype[i] == 0)
            continue;
        xl_buf_printf(out, "%s%s", between, xl_dtype_name((enum xl_dtype)i));
        between = ", ";
    }
    xl_buf_text(out, ")\n");
}

static const char *cap_text(float cap, char out[AMOUNT_ROOM])
{
    if (cap > 0)
        snprintf(out, AMOUNT_ROOM, "%g", (double)cap);
    else
        snprintf(out, AMOUNT_ROOM, "none");
    return out;
}

static void config_part(const struct xl_config *c, struct xl_buf *out)
{
    char gate[AMOUNT_ROOM], logit[AMOUNT_ROOM];
    size_t slstm = 0;
    for (size_t i = 0; i < c->blocks; i++)
        slstm += c->is_slstm[i];
    xl_buf_text(out, "\nConfiguration\n");
    xl_buf_printf(out, "  %-22s%zu\n", "vocabulary", c->vocab);
    xl_buf_printf(out, "  %-22s%zu\n", "width", c->width);
    xl_buf_printf(out, "  %-22s%zu", "blocks", c->blocks);
    if (slstm)
        xl_buf_printf(out, " (%zu mLSTM, %zu sLSTM)", c->blocks - slstm, slstm);
    xl_buf_printf(out, "\n  %-22s%zu (keys %zu, values %zu wide)\n", "heads",
                  c->heads, c->dk, c->dv);
    if (slstm)
        xl_buf_printf(out, "  %-22s%zu (%zu wide)\n", "sLSTM heads",
                      c->slstm_heads, c->width / c->slstm_heads);
    if (c->arch == XL_ARCH_BLOCK_STACK)
        xl_buf_printf(out, "  %-22s%zu\n  %-22s%zu (mLSTM), %zu (sLSTM)\n",
                      "inner width", c->inner, "convolution kernel",
                      c->conv_kernel, c->slstm_conv_kernel);
    xl_buf_printf(out, "  %-22s%zu\n", "feed-forward width", c->ffn);
    xl_buf_printf(out, "  %-22s%s gates, %s logits\n", "soft caps",
                  cap_text(c->gate_cap, gate), cap_text(c->logit_cap, logit));
    xl_buf_printf(out, "  %-22s%s, %s, %s, %s\n", "weights",
                  c->fused ? "fused" : "single",
                  c->use_bias ? "with biases" : "no biases",
                  c->out_norm ? "output norm" : "no output norm",
                  c->tied ? "tied head" : "own head");
    xl_buf_printf(out, "  %-22s", "bos, eos");
    if (c->has_bos)
        xl_buf_printf(out, "%lld, ", (long long)c->bos);
    else
        xl_buf_text(out, "none, ");
    if (c->has_eos)
        xl_buf_printf(out, "%lld\n", (long long)c->eos);
    else
        xl_buf_text(out, "none\n");
}

/* One line of figures, a column for each weight_dtype. */
typedef double figure_fn(const struct xl_inspection *it, double weight_bytes);

static double matrices(const struct xl_inspection *it, double weight_bytes)
{
    return (double)it->cost.matmul_decode * weight_bytes;
}

static double decode_bytes(const struct xl_inspection *it, double weight_bytes)
{
    return xl_cost_decode_bytes(&it->cost, weight_bytes);
}

static double prefill_bytes(const struct xl_inspection *it, double weight_bytes)
{
    return xl_cost_prefill_bytes(&it->cost, weight_bytes, it->block);
}

static void figures(const struct xl_inspection *it, const char *name,
                    figure_fn *figure, struct xl_buf *out)
{
    char text[AMOUNT_ROOM];
    const char *const *choice = xl_param_row(XL_PARAM_WEIGHT_DTYPE)->choices;
    xl_buf_printf(out, "  %-22s", name);
    for (; *choice; choice++) {
        double bytes = xl_inspect_weight_bytes(*choice);
        if (bytes > 0)
            xl_buf_printf(out, "%12s",
                          figure ? amount(figure(it, bytes), "B", text)
                                 : *choice);
    }
    xl_buf_char(out, '\n');
}

static void cost_part(const struct xl_inspection *it, struct xl_buf *out)
{
    char text[AMOUNT_ROOM];
    const struct xl_cost *cost = &it->cost;
    xl_buf_text(out, "\nMemory, and traffic a token, by weight_dtype\n");
    figures(it, "", NULL, out);
    figures(it, "matrices", matrices, out);
    figures(it, "decode traffic", decode_bytes, out);
    figures(it, "prefill traffic", prefill_bytes, out);
    xl_buf_printf(out, "  %-22s%12s\n", "state of a sequence",
                  amount((double)cost->state_bytes, "B", text));
    xl_buf_text(out, "\nOperations\n");
    xl_buf_printf(out, "  %-22s%12s a token, chunks of %zu\n", "prefill",
                  amount(xl_cost_prefill_flops(cost, &it->config, it->chunk),
                         "FLOP", text),
                  it->chunk);
    xl_buf_printf(out, "  %-22s%12s a token\n", "decode",
                  amount(xl_cost_decode_flops(cost), "FLOP", text));
    xl_buf_printf(out,
                  "\nDecode reads each matrix and the state, and writes the "
                  "state; prefill reads the\nmatrices once for %zu tokens "
                  "(prefill_block).\n",
                  it->block);
}

void xl_inspect_text(const struct xl_inspection *it, struct xl_buf *out)
{
    head_line(it, out);
    config_part(&it->config, out);
    cost_part(it, out);
}

void xl_inspect_tensors(const struct xl_inspection *it, struct xl_buf *out)
{
    xl_buf_text(out, "\nTensors\n");
    for (size_t i = 0; i < xl_safetensors_count(it->files); i++) {
        char shape[SHAPE_ROOM];
        const struct xl_tensor *t = xl_safetensors_at(it->files, i);
        xl_buf_printf(out, "  %-55s %-4s %s\n",
                      xl_safetensors_name(it->files, i),
                      xl_dtype_name(t->dtype), shape_text(t, shape));
    }
}
