/* SPDX-License-Identifier: Apache-2.0
 *
 * CPUID leaf 7 gives the features, XCR0 says which register files the
 * operating system saves: both must agree, and then one instruction of
 * each set is executed, since an emulator may announce what it does not do.
 * The probe catches SIGILL for that moment; a fork would cost a large process
 * milliseconds, and some sandboxes refuse it. Caches come from /sys, since
 * guests often hide CPUID leaf 4. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "kernel/base/cpu.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernel/base/io.h"

const char *xl_isa_name(enum xl_isa isa)
{
    static const char *const names[] = {
#define XL_ISA(id, name, instruction) [XL_ISA_##id] = name,
#include "kernel/base/isa.def"
#undef XL_ISA
    };
    return names[isa];
}

/* -- probes --------------------------------------------------------------- */

/* Where the thread that probes goes on after SIGILL; NULL in all others. It is
 * global because a signal handler has no other way to learn of it. */
static _Thread_local sigjmp_buf *way_back;

static void on_illegal(int signal_number)
{
    if (way_back)
        siglongjmp(*way_back, 1);
    signal(signal_number, SIG_DFL); /* not ours: it comes again, and ends us */
}

bool xl_cpu_survives(void (*work)(const void *with), const void *with)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction catch = { .sa_handler = on_illegal }, before;
    sigjmp_buf here;
    volatile bool survived = false;
    pthread_mutex_lock(&one);
    sigemptyset(&catch.sa_mask);
    if (sigaction(SIGILL, &catch, &before) == 0) {
        if (sigsetjmp(here, 1) == 0) {
            way_back = &here;
            work(with);
            survived = true;
        }
        way_back = NULL;
        sigaction(SIGILL, &before, NULL);
    }
    pthread_mutex_unlock(&one);
    return survived;
}

#if defined(__x86_64__)
static uint64_t read_xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return ((uint64_t)hi << 32) | lo;
}

static void read_bits(bool isa[XL_ISA_COUNT])
{
    enum {
        OSXSAVE = 1 << 27,
        YMM = 0x6,
        ZMM = 0xe6,
        TILES = 0x60000
    };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE))
        return;
    uint64_t xcr0 = read_xcr0();
    bool ymm = (xcr0 & YMM) == YMM, zmm = (xcr0 & ZMM) == ZMM;
    bool tiles = (xcr0 & TILES) == TILES;
    isa[XL_ISA_FMA] = ymm && (c >> 12 & 1);
    isa[XL_ISA_F16C] = ymm && (c >> 29 & 1);
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    isa[XL_ISA_AVX2] = ymm && (b >> 5 & 1);
    isa[XL_ISA_AVX512F] = zmm && (b >> 16 & 1);
    isa[XL_ISA_AVX512DQ] = zmm && (b >> 17 & 1);
    isa[XL_ISA_AVX512BW] = zmm && (b >> 30 & 1);
    isa[XL_ISA_AVX512VL] = zmm && (b >> 31 & 1);
    isa[XL_ISA_AVX512VNNI] = zmm && (c >> 11 & 1);
    isa[XL_ISA_AMX_BF16] = tiles && (d >> 22 & 1);
    isa[XL_ISA_AMX_TILE] = tiles && (d >> 24 & 1);
    isa[XL_ISA_AMX_INT8] = tiles && (d >> 25 & 1);
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        isa[XL_ISA_AVXVNNI] = ymm && (a >> 4 & 1);
        isa[XL_ISA_AVX512BF16] = zmm && (a >> 5 & 1);
    }
}
/* One instruction of that set. */
static void execute(const void *with)
{
    const enum xl_isa *isa = with;
    switch (*isa) {
#define XL_ISA(id, name, instruction)                                          \
    case XL_ISA_##id:                                                          \
        __asm__ volatile(instruction : : : "xmm0");                            \
        break;
#include "kernel/base/isa.def"
#undef XL_ISA
    default:
        break;
    }
}

static void read_isa(bool isa[XL_ISA_COUNT])
{
    read_bits(isa);
    for (enum xl_isa i = XL_ISA_AVX2; i < XL_ISA_COUNT; i++)
        isa[i] = isa[i] && xl_cpu_survives(execute, &i);
    if (isa[XL_ISA_AVX2])
        __asm__ volatile("vzeroupper");
}
#else
static void read_isa(bool isa[XL_ISA_COUNT])
{
    (void)isa;
}
#endif

static void read_model(char *out, size_t room)
{
    char line[256];
    snprintf(out, room, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(out, room, "%s", colon);
        break;
    }
    fclose(f);
}

/* Whole cores that a cgroup v2 quota leaves, or 0 when there is none. */
static size_t quota_cores(void)
{
    char line[64];
    long long quota, period;
    if (!xl_io_line("/sys/fs/cgroup/cpu.max", line, sizeof line) ||
        sscanf(line, "%lld %lld", &quota, &period) != 2 || period <= 0)
        return 0;
    return quota < period ? 1 : (size_t)(quota / period);
}

static size_t usable_cores(void)
{
    cpu_set_t set;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    size_t cores = n > 0 ? (size_t)n : 1, quota = quota_cores();
    return quota && quota < cores ? quota : cores;
}

static void read_caches(struct xl_cpu *cpu)
{
    for (int i = 0; i < 8; i++) {
        char path[96], level[16], type[32], size[32];
        const char *base = "/sys/devices/system/cpu/cpu0/cache/index";
        snprintf(path, sizeof path, "%s%d/level", base, i);
        if (!xl_io_line(path, level, sizeof level))
            break;
        snprintf(path, sizeof path, "%s%d/type", base, i);
        bool data = xl_io_line(path, type, sizeof type) &&
                    strncmp(type, "Instruction", 11) != 0;
        snprintf(path, sizeof path, "%s%d/size", base, i);
        if (!data || !xl_io_line(path, size, sizeof size))
            continue;
        char *unit;
        uint64_t bytes = strtoull(size, &unit, 10);
        bytes <<= *unit == 'K' ? 10 : *unit == 'M' ? 20 : 0;
        if (level[0] == '1') {
            cpu->has_l1d = true;
            cpu->l1d_bytes = bytes;
        } else if (level[0] == '2') {
            cpu->has_l2 = true;
            cpu->l2_bytes = bytes;
        } else if (level[0] == '3') {
            cpu->has_l3 = true;
            cpu->l3_bytes = bytes;
        }
    }
}

/* Bit i is instruction set i, and the topmost says that the bits are there: a
 * fact that never changes, so whoever writes first is right. */
static unsigned known_bits(void)
{
    enum {
        KNOWN = 1 << 30
    };
    static atomic_uint seen;
    static_assert(XL_ISA_COUNT < 30, "one bit an instruction set");
    unsigned bits = atomic_load(&seen);
    if (!bits) {
        bool has[XL_ISA_COUNT] = { false };
        read_isa(has);
        bits = KNOWN;
        for (int i = 0; i < XL_ISA_COUNT; i++)
            bits |= (unsigned)has[i] << i;
        atomic_store(&seen, bits);
    }
    return bits;
}

bool xl_cpu_has(enum xl_isa isa)
{
    return known_bits() >> isa & 1;
}

const char *xl_cpu_lacks(unsigned isas)
{
    static const char *const lacks[] = {
#define XL_ISA(id, name, instruction)                                          \
    [XL_ISA_##id] = "the processor has no " name,
#include "kernel/base/isa.def"
#undef XL_ISA
    };
    unsigned missing = isas & ~known_bits();
    for (size_t i = 0; i < XL_ISA_COUNT; i++)
        if (missing >> i & 1)
            return lacks[i];
    return NULL;
}

size_t xl_cpu_cores(void)
{
    return usable_cores();
}

void xl_cpu_read(struct xl_cpu *cpu)
{
    *cpu = (struct xl_cpu){ 0 };
    for (int i = 0; i < XL_ISA_COUNT; i++)
        cpu->isa[i] = xl_cpu_has((enum xl_isa)i);
    read_model(cpu->model, sizeof cpu->model);
    read_caches(cpu);
    cpu->cores = usable_cores();
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    cpu->has_memory = pages > 0 && page > 0;
    if (cpu->has_memory)
        cpu->memory_bytes = (uint64_t)pages * (uint64_t)page;
}
