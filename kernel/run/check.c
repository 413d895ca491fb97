/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/run/check.h"

#include <math.h>
#include <time.h>

#include "kernel/base/clock.h"
#include "kernel/run/check_int.h"

enum {
    CLOCK_READS = 100000,
    WAIT_NS = 20000000,
    NS_A_SECOND = 1000000000
};

static double raw_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * NS_A_SECOND + (double)now.tv_nsec;
}

/* The clock never runs back, tells microseconds apart, and agrees with the
 * system's over a wait. */
enum xl_status xl_check_clock(struct xl_check_list *list, struct xl_err *err)
{
    (void)err;
    uint64_t first = xl_clock_ns(), last = first, smallest = NS_A_SECOND;
    size_t backwards = 0;
    for (size_t i = 0; i < CLOCK_READS; i++) {
        uint64_t now = xl_clock_ns();
        backwards += now < last;
        if (now > last && now - last < smallest)
            smallest = now - last;
        last = now;
    }
    xl_check_settle(xl_check_add(list, "clock", "never runs back", NULL),
                    (double)backwards, 0);
    xl_check_settle(xl_check_add(list, "clock", "step in microseconds", NULL),
                    (double)smallest * 1e-3, 1);
    double began = raw_ns();
    first = xl_clock_ns();
    while (raw_ns() - began < WAIT_NS)
        ;
    double ours = (double)(xl_clock_ns() - first), true_ns = raw_ns() - began;
    xl_check_settle(xl_check_add(list, "clock", "against the system's", NULL),
                    fabs(ours - true_ns) / true_ns, 0.01);
    return XL_OK;
}

enum xl_status xl_check_kernels(struct xl_check_list *list, struct xl_err *err)
{
    list->n = 0;
    XL_TRY(xl_check_clock(list, err));
    XL_TRY(xl_check_cells(list, err));
    return xl_check_gemm(list, err);
}
