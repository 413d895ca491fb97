/* SPDX-License-Identifier: Apache-2.0
 *
 * Continues a text with libxlstm:
 *
 *     cc example.c $(pkg-config --cflags --libs xlstm) -o example
 *     ./example models/demo "It was a dark night" best.json
 */
#include <stdio.h>
#include <xlstm.h>

int main(int argc, char **argv)
{
    struct xlstm_options options = { 0 };
    struct xlstm_error error;
    struct xlstm *model;
    char text[256];

    if (argc < 3) {
        fprintf(stderr, "usage: example MODEL TEXT [PROFILE]\n");
        return 2;
    }
    options.model = argv[1];
    options.profile = argc > 3 ? argv[3] : NULL;
    if (xlstm_open(&model, &options, &error) != XLSTM_OK)
        goto failed;
    if (xlstm_prompt(model, argv[2], &error) != XLSTM_OK)
        goto failed;
    printf("%s", argv[2]);
    for (int i = 0; i < 40 && xlstm_best(model) != xlstm_end(model); i++) {
        xlstm_text(model, xlstm_best(model), text, sizeof text);
        printf("%s", text);
        if (xlstm_step(model, xlstm_best(model), &error) != XLSTM_OK)
            goto failed;
    }
    printf("\n");
    xlstm_close(model);
    return 0;
failed:
    fprintf(stderr, "example: %s\n", error.message);
    return (int)error.status;
}
