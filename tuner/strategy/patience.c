/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/strategy/patience.h"

#include <math.h>
#include <string.h>

#include "kernel/base/alloc.h"

/* Is the mark as good in all, as far as can be told? */
static bool is_covered(const struct xl_patience *p, const double *mark,
                       const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] - mark[i] > p->least * fabs(mark[i]))
            return false;
    return true;
}

static bool is_better(const struct xl_patience *p, const double *values,
                      size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    for (size_t m = 0; m < p->n; m++)
        if (is_covered(p, p->marks[m], values, n))
            return false;
    return true;
}

static enum xl_status add_mark(struct xl_patience *p, const double *values,
                               size_t n, struct xl_err *err)
{
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : 16;
        void *marks = xl_realloc(p->marks, p->n * sizeof *p->marks,
                                 room * sizeof *p->marks);
        if (!marks)
            return xl_fail(err, XL_ENOMEM, "out of memory for %zu results",
                           room);
        p->marks = marks;
        p->room = room;
    }
    memcpy(p->marks[p->n++], values, n * sizeof *values);
    return XL_OK;
}

enum xl_status xl_patience_tell(struct xl_patience *p, const double *values,
                                size_t n, struct xl_err *err)
{
    if (p->most == 0)
        return XL_OK;
    p->since++;
    if (!values || !is_better(p, values, n))
        return XL_OK;
    p->since = 0;
    return add_mark(p, values, n, err);
}

bool xl_patience_is_out(const struct xl_patience *p)
{
    return p->most > 0 && p->since >= p->most;
}

void xl_patience_release(struct xl_patience *p)
{
    xl_free(p->marks);
    p->marks = NULL;
    p->n = p->room = 0;
}
