/* SPDX-License-Identifier: Apache-2.0
 *
 * A drawing of the data's way from ids to logits: one block of each kind and
 * how many there are. */
#include <stdarg.h>
#include <stdio.h>

#include "kernel/run/inspect_int.h"

enum {
    INSIDE = 66,
    TEXT_ROOM = 128
};

/* One line inside the frame of a block. */
XL_PRINTF(2, 3)
static void inside(struct xl_buf *out, const char *fmt, ...)
{
    char text[TEXT_ROOM];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    xl_buf_printf(out, "  |%-*s|\n", INSIDE, text);
}

static void rule(struct xl_buf *out)
{
    xl_buf_text(out, "  +------+");
    for (size_t i = 0; i < INSIDE - 7; i++)
        xl_buf_char(out, '-');
    xl_buf_text(out, "+\n");
}

static void capped(char out[TEXT_ROOM], float cap)
{
    out[0] = '\0';
    if (cap > 0)
        snprintf(out, TEXT_ROOM, ", capped at %g", (double)cap);
}

static void xlstm_block(const struct xl_config *c, struct xl_buf *out)
{
    char cap[TEXT_ROOM];
    size_t d = c->width, heads = c->heads, v = c->heads * c->dv;
    capped(cap, c->gate_cap);
    rule(out);
    inside(out, "      x   block x %zu", c->blocks);
    inside(out, "      |--> RMSNorm");
    inside(out, "      |      |-> q, k   %zu -> %zu heads of %zu", d, heads,
           c->dk);
    inside(out, "      |      |-> v, o   %zu -> %zu heads of %zu", d, heads,
           c->dv);
    inside(out, "      |      |-> i, f   %zu -> %zu%s", d, heads, cap);
    inside(out,
           "      |      |-> mLSTM  state of a head: C %zu x %zu, n %zu, m",
           c->dk, c->dv, c->dk);
    inside(out, "      |      |-> LayerNorm of each head, times sigmoid(o)");
    inside(out, "      |      |-> out    %zu -> %zu", v, d);
    inside(out, "     (+)<----'");
    inside(out, "      |--> RMSNorm");
    inside(out, "      |      |-> silu(gate) times up   %zu -> %zu", d, c->ffn);
    inside(out, "      |      |-> down                  %zu -> %zu", c->ffn, d);
    inside(out, "     (+)<----'");
    rule(out);
}

static void mlstm_block(const struct xl_config *c, size_t times,
                        struct xl_buf *out)
{
    rule(out);
    inside(out, "      x   mLSTM block x %zu", times);
    inside(out, "      |--> LayerNorm");
    inside(out, "      |      |-> x, z     %zu -> 2 x %zu", c->width, c->inner);
    inside(out, "      |      |-> c        silu(convolution of x over %zu)",
           c->conv_kernel);
    inside(out, "      |      |-> q, k, v  of c, c, x in groups of %zu",
           c->qkv_block);
    inside(out, "      |      |-> i, f     of q, k, v: %zu -> %zu",
           3 * c->inner, c->heads);
    inside(out, "      |      |-> mLSTM    %zu heads, C %zu x %zu, n %zu, m",
           c->heads, c->dk, c->dv, c->dk);
    inside(out, "      |      |-> norm of each head, plus skip times c");
    inside(out, "      |      |-> times silu(z), down  %zu -> %zu", c->inner,
           c->width);
    inside(out, "     (+)<----'");
    rule(out);
}

static void slstm_block(const struct xl_config *c, size_t times,
                        struct xl_buf *out)
{
    size_t d = c->width, head = d / c->slstm_heads;
    rule(out);
    inside(out, "      x   sLSTM block x %zu", times);
    inside(out, "      |--> LayerNorm");
    if (c->slstm_conv_kernel)
        inside(out, "      |      |-> c        silu(convolution over %zu)",
               c->slstm_conv_kernel);
    inside(out, "      |      |-> i, f     of %s; z, o of the norm",
           c->slstm_conv_kernel ? "c" : "the norm");
    inside(out,
           "      |      |-> sLSTM    %zu heads of %zu, recurrent %zu x %zu",
           c->slstm_heads, head, head, 4 * head);
    inside(out, "      |      |-> norm of each head");
    inside(out, "     (+)<----'");
    if (c->ffn) {
        inside(out, "      |--> LayerNorm");
        inside(out, "      |      |-> %s(gate) times up  %zu -> %zu",
               c->ffn_act, d, c->ffn);
        inside(out, "      |      |-> down  %zu -> %zu", c->ffn, d);
        inside(out, "     (+)<----'");
    }
    rule(out);
}

static void stack_blocks(const struct xl_config *c, struct xl_buf *out)
{
    size_t slstm = 0;
    for (size_t i = 0; i < c->blocks; i++)
        slstm += c->is_slstm[i];
    if (slstm < c->blocks)
        mlstm_block(c, c->blocks - slstm, out);
    if (slstm)
        slstm_block(c, slstm, out);
    xl_buf_text(out, "         |   order: ");
    for (size_t i = 0; i < c->blocks && i < 48; i++)
        xl_buf_char(out, c->is_slstm[i] ? 's' : 'm');
    xl_buf_printf(out, "%s\n", c->blocks > 48 ? "..." : "");
}

void xl_inspect_wiring(const struct xl_config *config, struct xl_buf *out)
{
    char cap[TEXT_ROOM];
    bool is_xlstm = config->arch == XL_ARCH_XLSTM;
    capped(cap, config->logit_cap);
    xl_buf_text(out, "\nWiring\n        ids\n         |\n");
    xl_buf_printf(out, "     embedding  %zu x %zu\n         |\n", config->vocab,
                  config->width);
    if (is_xlstm)
        xlstm_block(config, out);
    else
        stack_blocks(config, out);
    xl_buf_text(out, "         |\n");
    if (config->out_norm)
        xl_buf_printf(out, "      %s\n         |\n",
                      is_xlstm ? "RMSNorm" : "LayerNorm");
    xl_buf_printf(out,
                  "       head  %zu -> %zu%s%s\n         |\n      logits\n",
                  config->width, config->vocab, cap,
                  config->tied ? " (the embedding)" : "");
}
