/* SPDX-License-Identifier: Apache-2.0
 *
 * A judgement as JSON. */
#include "judge/judge.h"

/* Scores that only a text has stay out. */
static bool is_of_configuration(enum xl_score_id id)
{
    return id >= XL_SCORE_NONFINITE;
}

cJSON *xl_judgement_json(const struct xl_judgement *judgement)
{
    cJSON *root = xl_ruling_json(&judgement->ruling, judgement->scores);
    cJSON *gates = cJSON_DetachItemFromObjectCaseSensitive(root, "gates");
    cJSON_AddStringToObject(root, "text_hash", judgement->text_hash);
    cJSON_AddNumberToObject(root, "n_tokens", (double)judgement->n_tokens);
    cJSON_AddNumberToObject(root, "piece", (double)judgement->piece);
    cJSON_AddNumberToObject(root, "steps", (double)judgement->steps);
    cJSON_AddNumberToObject(root, "looks", (double)judgement->looks);
    for (size_t i = 0; i < XL_SCORE_COUNT; i++)
        if (is_of_configuration((enum xl_score_id)i))
            xl_score_add_json(root, (enum xl_score_id)i, &judgement->scores[i]);
    cJSON_AddItemToObject(root, "gates", gates);
    return root;
}
