/* SPDX-License-Identifier: Apache-2.0
 *
 * Linux gives tiles to a process that asks: ARCH_REQ_XCOMP_PERM for the state
 * component 18. Asking again is harmless; threads made later have it too. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "kernel/tensor/amx.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cpu.h"

struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

void xl_amx_begin(void)
{
    struct tile_config config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (size_t i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory");
}

void xl_amx_end(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

static void touch_tiles(const void *with)
{
    (void)with;
    xl_amx_begin();
    xl_amx_end();
}

const char *xl_amx_why_not(void)
{
    enum {
        REQUEST = 0x1023,
        TILE_DATA = 18
    };
    if (xl_cpu_lacks(XL_HAS_AMX_TILE | XL_HAS_AMX_BF16))
        return xl_cpu_lacks(XL_HAS_AMX_TILE | XL_HAS_AMX_BF16);
    if (syscall(SYS_arch_prctl, REQUEST, TILE_DATA) != 0)
        return "the operating system refuses matrix tiles";
    if (!xl_cpu_survives(touch_tiles, NULL))
        return "matrix tiles are announced but do not run";
    return NULL;
}
