/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "kernel/run/check_int.h"

struct xl_check *xl_check_add(struct xl_check_list *list, const char *kind,
                              const char *name, const char *what)
{
    if (list->n == XL_CHECKS_MOST)
        return NULL;
    struct xl_check *check = &list->checks[list->n++];
    *check = (struct xl_check){ .kind = kind };
    snprintf(check->name, sizeof check->name, "%s%s%s", name, what ? ", " : "",
             what ? what : "");
    return check;
}

void xl_check_settle(struct xl_check *check, double error, double bound)
{
    if (!check)
        return;
    check->error = error;
    check->bound = bound;
    check->ok = check->is_fault ? error > bound : error <= bound;
}

double xl_check_distance(const float *got, const double *want, size_t n)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)got[i] - want[i]);
        if (!isfinite(error))
            return (double)INFINITY;
        worst = fmax(worst, error);
        largest = fmax(largest, fabs(want[i]));
    }
    return largest > 0 ? worst / largest : worst;
}
