/* SPDX-License-Identifier: Apache-2.0 */
#include "tuner/measure/host.h"

#include <string.h>
#include <sys/utsname.h>

#include <gsl/gsl_version.h>
#include <sqlite3.h>

#include "kernel/base/cpu.h"
#include "kernel/base/io.h"

#ifndef XL_BUILD_TYPE
#error "the build says which type it is"
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static void add_line(cJSON *to, const char *key, const char *path)
{
    char line[256];
    if (xl_io_line(path, line, sizeof line))
        cJSON_AddStringToObject(to, key, line);
    else
        cJSON_AddNullToObject(to, key);
}

static void add_bytes(cJSON *to, const char *key, bool has, uint64_t bytes)
{
    if (has)
        cJSON_AddNumberToObject(to, key, (double)bytes);
    else
        cJSON_AddNullToObject(to, key);
}

cJSON *xl_host_json(void)
{
    struct xl_cpu cpu;
    struct utsname name;
    cJSON *host = cJSON_CreateObject();
    xl_cpu_read(&cpu);
    cJSON_AddStringToObject(host, "cpu", cpu.model);
    cJSON *isa = cJSON_AddArrayToObject(host, "isa");
    for (size_t i = 0; i < XL_ISA_COUNT; i++)
        if (cpu.isa[i])
            cJSON_AddItemToArray(
                isa, cJSON_CreateString(xl_isa_name((enum xl_isa)i)));
    cJSON_AddNumberToObject(host, "cores", (double)cpu.cores);
    add_bytes(host, "memory_bytes", cpu.has_memory, cpu.memory_bytes);
    add_bytes(host, "l1d_bytes", cpu.has_l1d, cpu.l1d_bytes);
    add_bytes(host, "l2_bytes", cpu.has_l2, cpu.l2_bytes);
    add_bytes(host, "l3_bytes", cpu.has_l3, cpu.l3_bytes);
    if (uname(&name) == 0) {
        cJSON_AddStringToObject(host, "system", name.sysname);
        cJSON_AddStringToObject(host, "kernel", name.release);
        cJSON_AddStringToObject(host, "machine", name.machine);
    }
    add_line(host, "governor",
             "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    add_line(host, "huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled");
    cJSON_AddStringToObject(host, "clock", "CLOCK_MONOTONIC");
    return host;
}

cJSON *xl_versions_json(void)
{
    cJSON *versions = cJSON_CreateObject();
    cJSON_AddStringToObject(versions, "xltune", XL_VERSION);
    cJSON_AddStringToObject(versions, "sqlite", sqlite3_libversion());
    cJSON_AddStringToObject(versions, "gsl", gsl_version);
    cJSON_AddStringToObject(versions, "cjson", cJSON_Version());
    cJSON_AddStringToObject(versions, "openblas", XL_OPENBLAS_VERSION);
    return versions;
}

cJSON *xl_build_json(void)
{
    cJSON *build = cJSON_CreateObject();
    cJSON_AddStringToObject(build, "version", XL_VERSION);
    cJSON_AddStringToObject(build, "compiler", COMPILER);
    cJSON_AddStringToObject(build, "type", XL_BUILD_TYPE);
    cJSON_AddStringToObject(build, "flags", XL_BUILD_FLAGS);
    cJSON_AddItemToObject(build, "libraries", xl_versions_json());
    return build;
}

const char *xl_build_text(void)
{
    return "build: " XL_BUILD_TYPE ", " COMPILER "\n"
           "libraries: OpenBLAS " XL_OPENBLAS_VERSION ", SQLite " SQLITE_VERSION
           ", GSL " GSL_VERSION "\n";
}
