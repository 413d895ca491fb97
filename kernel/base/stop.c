/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/stop.h"

#include <signal.h>

/* Set by a signal handler, so it has to live here. */
static atomic_int stop_signal;

static void on_signal(int number)
{
    atomic_store(&stop_signal, number);
}

void xl_stop_catch(const int *signals, size_t n)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < n; i++)
        sigaction(signals[i], &action, NULL);
}

atomic_int *xl_stop_signal(void)
{
    return &stop_signal;
}
