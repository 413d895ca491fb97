/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenize: text on standard input to ids. detokenize: ids to bytes. Neither
 * needs a model, only the tokenizer of its folder. */
#include <stdio.h>

#include "kernel/base/alloc.h"
#include "kernel/base/io.h"
#include "kernel/base/json.h"
#include "kernel/run/session.h"

/* Standard input and the tokenizer of --model. */
static enum xl_status open_both(const struct xl_cmd_ctx *ctx,
                                struct xl_tokenizer **tokenizer,
                                struct xl_buf *text, struct xl_err *err)
{
    char *dir = NULL;
    if (ctx->opts.n_args)
        return xl_fail(err, XL_EUSAGE,
                       "unexpected argument '%s': the input is read from "
                       "standard input",
                       ctx->opts.args[0]);
    XL_TRY(xl_session_model_dir(&ctx->opts, &dir, err));
    enum xl_status rc = xl_tokenizer_open(tokenizer, dir, err);
    xl_free(dir);
    return rc == XL_OK ? xl_io_read("-", text, err) : rc;
}

static enum xl_status print(const struct xl_buf *out, struct xl_err *err)
{
    XL_TRY(xl_buf_check(out, "the output", err));
    if (fwrite(out->data, 1, out->len, stdout) != out->len)
        return xl_fail(err, XL_EIO, "cannot write standard output");
    return XL_OK;
}

/* -- tokenize ------------------------------------------------------------- */

static void write_ids(const struct xl_ids *ids, bool json, struct xl_buf *out)
{
    xl_buf_text(out, json ? "{\"ids\":[" : "");
    for (size_t i = 0; i < ids->n; i++)
        xl_buf_printf(out, "%s%d",
                      i == 0 ? ""
                      : json ? ","
                             : " ",
                      (int)ids->data[i]);
    if (json)
        xl_buf_printf(out, "],\"count\":%zu}", ids->n);
    xl_buf_char(out, '\n');
}

static enum xl_status run_tokenize(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_ids ids = { 0 };
    struct xl_buf text, out;
    xl_buf_init(&text, 0);
    xl_buf_init(&out, 0);
    enum xl_status rc = open_both(ctx, &tokenizer, &text, err);
    if (rc == XL_OK)
        rc = xl_tokenizer_encode(tokenizer, text.data, text.len, &ids, err);
    if (rc == XL_OK) {
        write_ids(&ids, ctx->json, &out);
        rc = print(&out, err);
    }
    xl_buf_release(&out);
    xl_buf_release(&text);
    xl_ids_release(&ids);
    xl_tokenizer_free(tokenizer);
    return rc;
}

/* -- detokenize ----------------------------------------------------------- */

/* Bytes at s that one U+FFFD stands for: the longest beginning of a valid
 * sequence, at least one (Unicode, "substitution of maximal subparts"). */
static size_t bad_length(const char *s, size_t n)
{
    unsigned char first = (unsigned char)s[0];
    size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    for (size_t len = want - 1; len > 1; len--) {
        char probe[4] = { s[0], '\x80', '\x80', '\x80' };
        if (len > n)
            continue;
        for (size_t i = 1; i < len; i++)
            probe[i] = s[i];
        if (xl_utf8_length(probe, want) == want)
            return len;
    }
    return 1;
}

/* Unlike the tree's strings this one may hold NUL. */
static void write_json_text(const char *text, size_t n, struct xl_buf *out)
{
    xl_buf_text(out, "{\"text\":\"");
    for (size_t i = 0; i < n;) {
        size_t len = xl_utf8_length(text + i, n - i);
        if (len == 0) {
            xl_buf_text(out, "\xef\xbf\xbd");
            i += bad_length(text + i, n - i);
            continue;
        }
        if (text[i] == '"' || text[i] == '\\')
            xl_buf_printf(out, "\\%c", text[i]);
        else if ((unsigned char)text[i] < 0x20)
            xl_buf_printf(out, "\\u%04x", (unsigned)text[i]);
        else
            xl_buf_add(out, text + i, len);
        i += len;
    }
    xl_buf_text(out, "\"}\n");
}

static enum xl_status run_detokenize(struct xl_cmd_ctx *ctx, struct xl_err *err)
{
    struct xl_tokenizer *tokenizer = NULL;
    struct xl_ids ids = { 0 };
    struct xl_buf text, bytes, json;
    xl_buf_init(&text, 0);
    xl_buf_init(&bytes, 0);
    xl_buf_init(&json, 0);
    enum xl_status rc = open_both(ctx, &tokenizer, &text, err);
    if (rc == XL_OK)
        rc = xl_ids_parse(text.data, text.len, "standard input",
                          xl_tokenizer_vocab(tokenizer), &ids, err);
    for (size_t i = 0; i < ids.n && rc == XL_OK; i++)
        xl_tokenizer_decode(tokenizer, ids.data[i], &bytes);
    if (rc == XL_OK)
        rc = xl_buf_check(&bytes, "the text", err);
    if (rc == XL_OK && ctx->json)
        write_json_text(bytes.data, bytes.len, &json);
    if (rc == XL_OK)
        rc = print(ctx->json ? &json : &bytes, err);
    xl_buf_release(&json);
    xl_buf_release(&bytes);
    xl_buf_release(&text);
    xl_ids_release(&ids);
    xl_tokenizer_free(tokenizer);
    return rc;
}

const struct xl_cmd xl_cmd_tokenize = {
    .name = "tokenize",
    .summary = "text on standard input to token ids",
    .usage = "[--model DIR] [--json] < TEXT",
    .example = "echo 'Hello, world!' | xltune tokenize --json",
    .details = "Prints the ids separated by spaces. No beginning-of-text token "
               "is added.",
    .takes_model = true,
    .takes_words = true,
    .run = run_tokenize,
};

const struct xl_cmd xl_cmd_detokenize = {
    .name = "detokenize",
    .summary = "token ids on standard input to bytes",
    .usage = "[--model DIR] [--json] < IDS",
    .example = "echo 41 509 80 | xltune detokenize",
    .details = "Reads decimal ids separated by white space. Special tokens "
               "give their text.",
    .takes_model = true,
    .takes_words = true,
    .run = run_detokenize,
};
