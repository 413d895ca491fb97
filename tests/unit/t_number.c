/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text, in files and in JSON: they read back as the same bits. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/json.h"
#include "kernel/base/real.h"
#include "kernel/base/rng.h"
#include "tests/harness/test.h"

/* Against printf and strtod, which know no shorter text that reads back. */
static bool is_shortest(double value)
{
    char text[XL_REAL_ROOM], plain[40];
    size_t n = xl_real_text(text, value);
    bool is_whole = value == floor(value) && fabs(value) < 0x1p53;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(plain, sizeof plain, "%.*g", digits, value);
        if (strtod(plain, NULL) == value)
            break;
    }
    return n == strlen(text) && strtod(text, NULL) == value &&
           (is_whole ? !strpbrk(text, ".e") : n <= strlen(plain));
}

static void reals_read_back(struct xl_test *t)
{
    static const double values[] = {
        0,
        -0.0,
        1,
        -1,
        0.1,
        0.3,
        1e-4,
        1e-5,
        9.999e-5,
        1e15,
        1e16,
        0x1p53,
        1e22,
        1e23,
        5e-324,
        1e-323,
        1e308,
        0.5,
        1234567.125,
        1e-30,
        9.5e-31,
        2.5e-7,
        -3e-12,
        4.35e-9,
        1e14,
        99999.5,
        1e6,
        -123456.75,
        3.141592653589793,
        DBL_MAX,
        DBL_MIN,
        1.0 / 3,
        2.0 / 3,
        1e-5 / 3,
        0x1p-54,
        1 - 1e-16,
        1 + 3e-16,
        999999999999999.9,
    };
    struct xl_rng rng;
    size_t n_bad = 0;
    char text[XL_REAL_ROOM];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!XL_CHECK(t, is_shortest(values[i])))
            printf("    %.17g\n", values[i]);
    xl_rng_seed(&rng, 3);
    for (size_t i = 0; i < 200000; i++) {
        double decimal = (double)xl_rng_below(&rng, 10000000);
        double any = exp(80 * xl_rng_unit(&rng) - 60) * xl_rng_normal(&rng);
        n_bad += !is_shortest(any) + !is_shortest(decimal / 1000) +
                 !is_shortest(decimal / 1e12);
    }
    XL_CHECK_EQ(t, n_bad, 0);
    xl_real_text(text, -0.00012);
    XL_CHECK_TEXT(t, text, "-0.00012");
    xl_real_text(text, 1.25e-7);
    XL_CHECK_TEXT(t, text, "1.25e-07");
    xl_real_text(text, 1000000);
    XL_CHECK_TEXT(t, text, "1000000");
}

/* Against cJSON's own printer: the same text but for numbers, which read back
 * as the same bits. */
static void json_prints_what_it_holds(struct xl_test *t)
{
    static const char text[] =
        "{\"a\":[1,2.5,-3e-7,[],{}],\"b\":{\"c\":null,\"d\":[true,false]},"
        "\"e\":\"x\\\"\\\\\\n\\t\xc3\xa9\",\"f\":{},\"g\":1795254695320}";
    struct xl_err err = { 0 };
    struct xl_rng rng;
    struct xl_buf out;
    cJSON *root = NULL, *again = NULL;
    size_t n_bad = 0;
    xl_buf_init(&out, 0);
    XL_CHECK_STATUS(t, xl_json_parse(text, strlen(text), "t", &root, &err),
                    XL_OK, &err);
    for (int indented = 0; indented < 2; indented++) {
        char *plain =
            indented ? cJSON_Print(root) : cJSON_PrintUnformatted(root);
        xl_buf_clear(&out);
        xl_json_print(root, indented, &out);
        XL_CHECK_STATUS(t, xl_json_parse(out.data, out.len, "t", &again, &err),
                        XL_OK, &err);
        XL_CHECK(t, cJSON_Compare(root, again, true));
        XL_CHECK_EQ(t, strlen(out.data) <= strlen(plain) + 16, true);
        cJSON_free(plain);
        cJSON_Delete(again);
    }
    cJSON_Delete(root);
    xl_rng_seed(&rng, 9);
    for (size_t i = 0; i < 20000; i++) {
        double value = xl_rng_normal(&rng);
        root = cJSON_CreateNumber(value);
        xl_buf_clear(&out);
        xl_json_print(root, false, &out);
        n_bad += strtod(out.data, NULL) != value;
        cJSON_Delete(root);
    }
    XL_CHECK_EQ(t, n_bad, 0);
    xl_buf_release(&out);
}

const struct xl_test_case xl_suite_number[] = {
    XL_CASE(reals_read_back),
    XL_CASE(json_prints_what_it_holds),
    { 0 },
};
