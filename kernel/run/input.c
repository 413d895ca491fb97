/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/input.h"

#include <string.h>

#include "kernel/base/io.h"

#define INPUT_MAX ((size_t)1 << 30)

static enum xl_status read_ids(const struct xl_input *input,
                               const struct xl_session *session,
                               const struct xl_buf *text, struct xl_ids *ids,
                               size_t *bytes, struct xl_err *err)
{
    if (!input->tokens_file) {
        *bytes = text->len;
        return xl_session_encode(session, text->data, text->len, !input->no_bos,
                                 ids, err);
    }
    *bytes = 0;
    return xl_ids_parse(text->data, text->len, input->tokens_file,
                        xl_model_config(session->model)->vocab, ids, err);
}

enum xl_status xl_input_read(const struct xl_input *input,
                             const struct xl_session *session,
                             struct xl_ids *ids, size_t *bytes,
                             struct xl_err *err)
{
    int sources = (input->text != NULL) + (input->text_file != NULL) +
                  (input->tokens_file != NULL);
    if (sources != 1)
        return xl_fail(err, XL_EUSAGE,
                       "give exactly one input (of --prompt, --prompt-file, "
                       "--text-file, --tokens-file those this command has); "
                       "got %d",
                       sources);
    struct xl_buf text;
    enum xl_status rc = XL_OK;
    xl_buf_init(&text, INPUT_MAX);
    if (input->text)
        xl_buf_text(&text, input->text);
    else
        rc =
            xl_io_read(input->text_file ? input->text_file : input->tokens_file,
                       &text, err);
    if (rc == XL_OK)
        rc = xl_buf_check(&text, "the input", err);
    if (rc == XL_OK)
        rc = read_ids(input, session, &text, ids, bytes, err);
    xl_buf_release(&text);
    return rc;
}
