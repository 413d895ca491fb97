/* SPDX-License-Identifier: Apache-2.0
 *
 * What this machine is: instruction sets, usable cores, caches, memory.
 *
 * Facts come from CPUID, sched_getaffinity, /sys and /proc. A fact that
 * cannot be read has its `has` bit clear, never a zero that looks measured.
 */
#ifndef XL_CPU_H
#define XL_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instruction sets that the processor announces, the operating system saves
 * and this process has executed once. */
enum xl_isa {
#define XL_ISA(id, name, instruction) XL_ISA_##id,
#include "kernel/base/isa.def"
#undef XL_ISA
    XL_ISA_COUNT
};

struct xl_cpu {
    bool isa[XL_ISA_COUNT];
    char model[96]; /* for people only; never chooses a kernel */
    size_t cores;   /* usable: affinity mask, then cgroup quota; >= 1 */
    bool has_l1d, has_l2, has_l3, has_memory;
    uint64_t l1d_bytes, l2_bytes, l3_bytes; /* as seen from core 0 */
    uint64_t memory_bytes;
};

void xl_cpu_read(struct xl_cpu *cpu);

/* Is the instruction set there? Asks the processor once and remembers: in a
 * guest each CPUID leaves the guest and costs microseconds. Thread-safe. */
bool xl_cpu_has(enum xl_isa isa);

enum {
#define XL_ISA(id, name, instruction) XL_HAS_##id = 1 << XL_ISA_##id,
#include "kernel/base/isa.def"
#undef XL_ISA
};

/* NULL when all of these XL_HAS_ bits are there, else what the first lacks:
 * "the processor has no avx2"; static storage. */
const char *xl_cpu_lacks(unsigned isas);

/* Does work(with) return, or does it meet an instruction that is refused
 * (SIGILL)? work is left in its midst then and must hold nothing. */
bool xl_cpu_survives(void (*work)(const void *with), const void *with);

/* The cores of xl_cpu_read without the rest. */
size_t xl_cpu_cores(void);

/* "avx2" and the like; static storage. */
const char *xl_isa_name(enum xl_isa isa);

#endif
