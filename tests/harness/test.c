/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the suites whose name or case contains one of the words given, or all
 * of them. Prints a line for each failure and one for the sum. */
#include "tests/harness/test.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/io.h"

#ifndef XL_SOURCE_DIR
#error "the build says where the source tree is"
#endif

#define XL_SUITE(name) extern const struct xl_test_case xl_suite_##name[];
#include "tests/suites.def"
#undef XL_SUITE

static const struct {
    const char *name;
    const struct xl_test_case *cases;
} suites[] = {
#define XL_SUITE(name) { #name, xl_suite_##name },
#include "tests/suites.def"
#undef XL_SUITE
};

bool xl_test_check(struct xl_test *t, bool ok, const char *file, int line,
                   const char *fmt, ...)
{
    t->checks++;
    if (ok)
        return true;
    if (t->failures++ < 10) {
        va_list args;
        va_start(args, fmt);
        printf("%s:%d: %s/%s: ", file, line, t->suite, t->name);
        vprintf(fmt, args);
        putchar('\n');
        va_end(args);
    }
    return false;
}

bool xl_test_check_eq(struct xl_test *t, long long got, long long want,
                      const char *file, int line, const char *what)
{
    return xl_test_check(t, got == want, file, line, "%s is %lld, not %lld",
                         what, got, want);
}

bool xl_test_check_near(struct xl_test *t, double got, double want, double tol,
                        const char *file, int line, const char *what)
{
    return xl_test_check(t, fabs(got - want) <= tol, file, line,
                         "%s is %.9g, not %.9g within %.3g", what, got, want,
                         tol);
}

bool xl_test_check_text(struct xl_test *t, const char *got, const char *want,
                        const char *file, int line, const char *what)
{
    return xl_test_check(t, got && strcmp(got, want) == 0, file, line,
                         "%s is '%s', not '%s'", what, got ? got : "(null)",
                         want);
}

const char *xl_test_write(struct xl_test *t, const char *name, const char *text)
{
    static char path[1024];
    struct xl_err err = { 0 };
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    XL_CHECK_STATUS(t, xl_io_make_dirs(path, &err), XL_OK, &err);
    *slash = '/';
    XL_CHECK_STATUS(t, xl_io_replace(path, text, strlen(text), &err), XL_OK,
                    &err);
    return path;
}

const char *xl_test_source(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", XL_SOURCE_DIR, name);
    return path;
}

bool xl_test_fail_nth(void *left, size_t nbytes)
{
    size_t *n = left;
    (void)nbytes;
    return (*n)-- == 0;
}

const char *xl_test_data(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/tests/data/%s", XL_SOURCE_DIR, name);
    return path;
}

/* Is the word part of "suite/name"? */
static bool is_named(const char *suite, const char *name, const char *word)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", suite, name);
    return strstr(path, word) != NULL;
}

static bool is_wanted(const char *suite, const char *name, int argc,
                      char **argv)
{
    for (int i = 1; i < argc; i++)
        if (is_named(suite, name, argv[i]))
            return true;
    return argc < 2;
}

/* A word that names no case would test nothing, and pass. */
static bool names_some(const char *word)
{
    for (size_t s = 0; s < sizeof suites / sizeof *suites; s++)
        for (const struct xl_test_case *row = suites[s].cases; row->name; row++)
            if (is_named(suites[s].name, row->name, word))
                return true;
    printf("no case has '%s' in its name\n", word);
    return false;
}

/* Removes the case's folder, which holds files and one level of folders. */
static void remove_tree(const char *dir)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
    if (system(command) != 0)
        printf("cannot remove %s\n", dir);
}

static bool run_case(const char *suite, const struct xl_test_case *row)
{
    struct xl_test t = { .suite = suite, .name = row->name };
    const char *base = getenv("TMPDIR");
    snprintf(t.dir, sizeof t.dir, "%s/xltune-test-XXXXXX",
             base ? base : "/tmp");
    if (!mkdtemp(t.dir)) {
        printf("%s/%s: cannot make %s\n", suite, row->name, t.dir);
        return false;
    }
    row->run(&t);
    remove_tree(t.dir);
    if (t.checks == 0)
        printf("%s/%s: checks nothing\n", suite, row->name);
    return t.failures == 0 && t.checks > 0;
}

/* Caches and profiles of the user are neither read nor written: *dir becomes
 * their home, also for the programs that a case starts. */
static bool move_home(char dir[256])
{
    char path[300];
    const char *base = getenv("TMPDIR");
    snprintf(dir, 256, "%s/xltune-home-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(dir)) {
        printf("cannot make %s\n", dir);
        return false;
    }
    unsetenv("XLTUNE_CACHE");
    setenv("XDG_CACHE_HOME", dir, 1);
    snprintf(path, sizeof path, "%s/profiles", dir);
    return setenv("XLTUNE_PROFILES", path, 0) == 0;
}

/* XL_TEST_PART=2/3 takes every third case, from the second on. */
static bool read_part(size_t *part, size_t *parts)
{
    const char *text = getenv("XL_TEST_PART");
    *part = *parts = 1;
    if (!text || (sscanf(text, "%zu/%zu", part, parts) == 2 && *part > 0 &&
                  *part <= *parts))
        return true;
    printf("XL_TEST_PART=%s is no part, as 1/2 is\n", text);
    return false;
}

int main(int argc, char **argv)
{
    size_t passed = 0, failed = 0, wanted = 0, part, parts;
    char home[256];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        if (!names_some(argv[i]))
            return 1;
    if (!read_part(&part, &parts) || !move_home(home))
        return 1;
    for (size_t s = 0; s < sizeof suites / sizeof *suites; s++) {
        for (const struct xl_test_case *row = suites[s].cases; row->name;
             row++) {
            if (!is_wanted(suites[s].name, row->name, argc, argv))
                continue;
            if (wanted++ % parts != part - 1)
                continue;
            bool ok = run_case(suites[s].name, row);
            passed += ok;
            failed += !ok;
            if (!ok)
                printf("FAILED %s/%s\n", suites[s].name, row->name);
        }
    }
    remove_tree(home);
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed ? 1 : 0;
}
