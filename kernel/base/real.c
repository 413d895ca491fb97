/* SPDX-License-Identifier: Apache-2.0
 *
 * Exports print hundreds of numbers a trial; with printf and strtod for each
 * number of digits that took three quarters of their time. A long double of
 * 64 bits holds the 17 digits any double needs, so they are found and tried
 * in a few multiplications. Where rounding in it leaves a doubt (about one
 * number in 150), and for very large and small numbers, printf and strtod
 * decide, as before.
 *
 * 15 digits first: a decimal of up to 15 digits survives the way to double
 * and back, so shorter texts are these without their zeros at the end. */
#include "kernel/base/real.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIGITS_LEAST = 15,
    DIGITS_MOST = 17,
    EXPONENT_LEAST = -30, /* of what is tried without printf */
    EXPONENT_MOST = 14,
    EXACT = 27 /* 10^27 is the largest power that 64 bits hold */
};

static const long double powers[EXACT + 1] = {
    1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
    1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
    1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L,
};

/* More than the two divisions below can be off. */
static const long double doubt = 0x1p-61L;

enum answer {
    NO,
    YES,
    UNSURE
};

/* Does digits / 10^scale round to value? */
static enum answer reads_back(uint64_t digits, int scale, double value)
{
    int rest = scale > EXACT ? scale - EXACT : 0;
    long double back = (long double)digits / powers[scale - rest];
    if (rest)
        back /= powers[rest];
    bool low = (double)(back * (1 - doubt)) == value;
    bool high = (double)(back * (1 + doubt)) == value;
    return low != high ? UNSURE : low ? YES : NO;
}

static uint64_t nearest(double value, int scale)
{
    int rest = scale > EXACT ? scale - EXACT : 0;
    long double scaled = (long double)value * powers[scale - rest];
    if (rest)
        scaled *= powers[rest];
    return (uint64_t)(scaled + 0.5L);
}

/* As %g writes it: digits of `n` places, the first of which is worth
 * 10^exponent. */
static size_t write_digits(char *text, uint64_t digits, int n, int exponent)
{
    char all[DIGITS_MOST + 1];
    char *at = text;
    for (int i = n - 1; i >= 0; i--, digits /= 10)
        all[i] = (char)('0' + digits % 10);
    while (n > 1 && all[n - 1] == '0')
        n--;
    if (exponent < -4) {
        *at++ = all[0];
        if (n > 1)
            *at++ = '.';
        memcpy(at, all + 1, (size_t)n - 1);
        at += n - 1;
        return (size_t)(at - text) +
               (size_t)snprintf(at, 5, "e-%02d", -exponent % 100);
    }
    if (exponent < 0) {
        size_t zeros = (size_t)(-exponent) + 1;
        memcpy(at, "0.000", zeros);
        at += zeros;
    }
    for (int i = 0; i < n || i <= exponent; i++) {
        if (exponent >= 0 && i == exponent + 1)
            *at++ = '.';
        *at++ = (char)(i < n ? all[i] : '0');
    }
    *at = '\0';
    return (size_t)(at - text);
}

static size_t slow_text(char text[XL_REAL_ROOM], double value)
{
    int n = 0;
    /* Subnormal numbers hold fewer digits. */
    int least = fabs(value) < DBL_MIN ? 1 : DIGITS_LEAST;
    for (int digits = least; digits <= DIGITS_MOST; digits++) {
        n = snprintf(text, XL_REAL_ROOM, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return (size_t)n;
}

/* 0 when printf has to decide. */
static size_t quick_text(char *text, double value)
{
    int exponent = (int)floor(log10(value));
    if (LDBL_MANT_DIG < 64 || exponent < EXPONENT_LEAST ||
        exponent > EXPONENT_MOST)
        return 0;
    for (int n = DIGITS_LEAST; n <= DIGITS_MOST; n++) {
        int scale = n - 1 - exponent;
        uint64_t digits = nearest(value, scale);
        if (digits >= (uint64_t)powers[n] || digits < (uint64_t)powers[n - 1])
            return 0; /* beside a power of ten the exponent may be off */
        enum answer answer = reads_back(digits, scale, value);
        if (answer == UNSURE)
            return 0;
        if (answer == YES)
            return write_digits(text, digits, n, exponent);
    }
    return 0;
}

size_t xl_real_text(char text[XL_REAL_ROOM], double value)
{
    assert(isfinite(value));
    if (value == floor(value) && fabs(value) < 0x1p53)
        return (size_t)snprintf(text, XL_REAL_ROOM, "%lld", (long long)value);
    size_t sign = value < 0;
    if (sign)
        text[0] = '-';
    size_t n = quick_text(text + sign, fabs(value));
    return n ? n + sign : slow_text(text, value);
}
