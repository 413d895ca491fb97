/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/made_table.h"

#include <math.h>

#include "kernel/base/buf.h"
#include "kernel/base/rng.h"

enum {
    DIMS = 12,
    MOST_VALUES = 8,
    STREAMS = 9 /* a new kind leaves the tables of the others as they are */
};

/* A problem on its way to text. */
struct made {
    enum xl_made kind;
    size_t n_dims, n[DIMS];
    double goal[DIMS], slope[DIMS];
    double factor[DIMS][MOST_VALUES];
    double pair[DIMS][MOST_VALUES][MOST_VALUES]; /* of d and d + 1 */
    size_t needle;
};

static const struct {
    const char *name;
    size_t n_dims, n[DIMS];
} shapes[XL_MADE_KINDS] = {
    [XL_MADE_SMOOTH] = { "smooth", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_RUGGED] = { "rugged", 6, { 5, 4, 4, 3, 3, 2 } },
    [XL_MADE_NEEDLE] = { "needle", 4, { 8, 6, 5, 4 } },
    [XL_MADE_FAILURES] = { "failures", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_TINY] = { "tiny", 3, { 4, 3, 2 } },
    [XL_MADE_NOISY] = { "noisy", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_DECEPTIVE] = { "deceptive", 4, { 6, 6, 6, 6 } },
    [XL_MADE_SWITCHES] = { "switches",
                           11,
                           { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 } },
    [XL_MADE_SIGNS] = { "signs", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_LINEAR] = { "linear", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_PLATEAU] = { "plateau", 4, { 8, 6, 6, 4 } },
    [XL_MADE_DOOMED] = { "doomed", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_FLAT] = { "flat", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_PARITY] = { "parity", 4, { 8, 6, 6, 4 } },
    [XL_MADE_LABELS] = { "labels", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_HANDFUL] = { "handful", 2, { 5, 4 } },
    [XL_MADE_HUGE] = { "huge", 7, { 6, 6, 6, 5, 5, 4, 3 } },
    [XL_MADE_CLIFF] = { "cliff", 5, { 8, 6, 5, 4, 3 } },
    [XL_MADE_ISLAND] = { "island", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_STRIPES] = { "stripes", 5, { 8, 6, 5, 4, 3 } },
    [XL_MADE_SPARSE] = { "sparse", 5, { 8, 8, 8, 6, 4 } },
    [XL_MADE_HEAVY] = { "heavy", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_LEVEL] = { "level", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_MIRAGE] = { "mirage", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_REGIMES] = { "regimes", 5, { 6, 6, 5, 4, 3 } },
    [XL_MADE_DECOY] = { "decoy", 4, { 6, 6, 6, 6 } },
    [XL_MADE_LURE] = { "lure", 4, { 7, 7, 3, 3 } },
};

const char *xl_made_name(enum xl_made kind)
{
    return shapes[kind].name;
}

static void draw_problem(struct made *m, struct xl_rng *rng)
{
    size_t rows = 1;
    m->n_dims = shapes[m->kind].n_dims;
    for (size_t d = 0; d < m->n_dims; d++) {
        m->n[d] = shapes[m->kind].n[d];
        if (m->kind == XL_MADE_HANDFUL)
            m->n[d] -= (size_t)xl_rng_below(rng, 3);
        rows *= m->n[d];
        m->goal[d] = xl_rng_unit(rng);
        m->slope[d] = 0.3 + 2 * xl_rng_unit(rng);
        for (size_t v = 0; v < m->n[d]; v++) {
            m->factor[d][v] = xl_rng_normal(rng);
            for (size_t w = 0; w < MOST_VALUES; w++)
                m->pair[d][v][w] = xl_rng_normal(rng);
        }
    }
    m->needle = (size_t)xl_rng_below(rng, rows);
}

static double share(const struct made *m, const size_t *at, size_t d)
{
    return (double)at[d] / (double)(m->n[d] - 1);
}

/* A bowl in a rotated frame, times a factor of the nominal dimension. */
static double valley(const struct made *m, const size_t *at)
{
    double sum = 0, last = 0;
    for (size_t d = 0; d + 1 < m->n_dims; d++) {
        double by = share(m, at, d) - m->goal[d];
        sum += m->slope[d] * (by * by + 0.8 * by * last);
        last = by;
    }
    return sum + 0.3 * m->factor[m->n_dims - 1][at[m->n_dims - 1]];
}

static double tangle(const struct made *m, const size_t *at)
{
    double sum = 0;
    for (size_t d = 0; d < m->n_dims; d++) {
        sum += 0.4 * m->factor[d][at[d]];
        if (d + 1 < m->n_dims)
            sum += 0.25 * m->pair[d][at[d]][at[d + 1]];
    }
    return sum;
}

static double far_from_corner(const struct made *m, const size_t *at)
{
    double far = 0;
    for (size_t d = 0; d < m->n_dims; d++)
        far += share(m, at, d) / (double)m->n_dims;
    return far;
}

/* Down to one corner in every dimension, but best in the opposite one. */
static double trap(const struct made *m, const size_t *at)
{
    double far = far_from_corner(m, at);
    return far < 0.2 ? 5 * far - 0.5 : 1 - far;
}

static double ramp(const struct made *m, const size_t *at)
{
    double sum = 0;
    for (size_t d = 0; d < m->n_dims; d++)
        sum += m->slope[d] * fabs(share(m, at, d) - (m->goal[d] > 0.5));
    return sum;
}

/* Rises to its full height within two values of the best row. */
static double plateau(const struct made *m, const size_t *at)
{
    double far = 0;
    for (size_t d = 0; d < m->n_dims; d++)
        far += fabs((double)at[d] -
                    floor(m->goal[d] * ((double)m->n[d] - 1) + 0.5));
    return fmin(far, 3) / 3;
}

/* A valley where the sum of the indices is even, a hill where it is odd. */
static double parity(const struct made *m, const size_t *at)
{
    size_t sum = 0;
    for (size_t d = 0; d < m->n_dims; d++)
        sum += at[d];
    return sum % 2 ? 1 - valley(m, at) : 1 + valley(m, at);
}

/* The larger the better in every ordered dimension. */
static double climb(const struct made *m, const size_t *at)
{
    double sum = 0.3 * m->factor[m->n_dims - 1][at[m->n_dims - 1]];
    for (size_t d = 0; d + 1 < m->n_dims; d++)
        sum -= m->slope[d] * share(m, at, d);
    return sum;
}

/* A valley, and a step for every other value, up or down. */
static double stripes(const struct made *m, const size_t *at)
{
    double sum = valley(m, at);
    for (size_t d = 0; d + 1 < m->n_dims; d++)
        sum += at[d] % 2 ? 0.5 * m->factor[d][0] : 0;
    return sum;
}

/* The last dimension turns the others round, each value in its own way. */
static double regimes(const struct made *m, const size_t *at)
{
    size_t turned[DIMS], last = at[m->n_dims - 1];
    for (size_t d = 0; d + 1 < m->n_dims; d++) {
        size_t by = last ? (size_t)(8 + m->pair[d][last][0]) % m->n[d] : 0;
        turned[d] = (at[d] + by) % m->n[d];
    }
    turned[m->n_dims - 1] = last;
    return valley(m, turned);
}

/* Down to one corner; the opposite one is far better, and alone. */
static double decoy(const struct made *m, const size_t *at)
{
    double far = far_from_corner(m, at);
    return far > 0 ? 1 - far : -2;
}

/* A hill, and the one row far below the others is its top. */
static double lure(const struct made *m, const size_t *at)
{
    double far = 0;
    for (size_t d = 0; d < m->n_dims; d++) {
        double by = share(m, at, d) - 0.5;
        far += by * by;
    }
    return far > 0 ? 0.3 - 0.3 * far : -2;
}

/* Of two normals, the quotient: no mean, no variance. */
static double wild(struct xl_rng *rng, double noise)
{
    double by = noise / xl_rng_normal(rng);
    return fmax(-8, fmin(by, 8));
}

static double cost_log(const struct made *m, const size_t *at, size_t row,
                       struct xl_rng *rng)
{
    double noise = xl_rng_normal(rng);
    switch (m->kind) {
    case XL_MADE_NOISY:
        return valley(m, at) + 0.2 * noise;
    case XL_MADE_RUGGED:
    case XL_MADE_SWITCHES:
    case XL_MADE_LABELS:
        return tangle(m, at);
    case XL_MADE_FLAT:
        return 0.3 * noise;
    case XL_MADE_PARITY:
        return parity(m, at) + 0.01 * noise;
    case XL_MADE_CLIFF:
        return climb(m, at) + 0.01 * noise;
    case XL_MADE_NEEDLE:
        return row == m->needle ? -3 : 0.3 * noise;
    case XL_MADE_DECEPTIVE:
        return trap(m, at) + 0.01 * noise;
    case XL_MADE_STRIPES:
        return stripes(m, at) + 0.01 * noise;
    case XL_MADE_REGIMES:
        return regimes(m, at) + 0.01 * noise;
    case XL_MADE_DECOY:
        return decoy(m, at) + 0.01 * noise;
    case XL_MADE_LURE:
        return lure(m, at) + 0.001 * noise;
    case XL_MADE_HEAVY:
        return valley(m, at) + 0.1 * wild(rng, noise);
    case XL_MADE_LEVEL:
        return row == m->needle ? -1 : 0;
    case XL_MADE_LINEAR:
        return ramp(m, at) + 0.01 * noise;
    case XL_MADE_PLATEAU:
        return plateau(m, at) + 0.001 * noise;
    default:
        return valley(m, at) + 0.01 * noise;
    }
}

/* Is every ordered dimension within one value of the needle's? */
static bool is_near_needle(const struct made *m, const size_t *at)
{
    size_t rest = m->needle;
    for (size_t d = 0; d + 1 < m->n_dims; d++) {
        size_t want = rest % m->n[d];
        if (at[d] > want + 1 || at[d] + 1 < want)
            return false;
        rest /= m->n[d];
    }
    return true;
}

static bool fails(const struct made *m, const size_t *at, struct xl_rng *rng)
{
    bool is_hit = xl_rng_below(rng, 3) == 0;
    bool is_corner = share(m, at, 0) + share(m, at, 1) > 1.3;
    switch (m->kind) {
    case XL_MADE_DOOMED:
        return xl_rng_below(rng, 10) > 0;
    case XL_MADE_FAILURES:
        return is_hit || is_corner;
    case XL_MADE_CLIFF:
        return share(m, at, 0) + share(m, at, 1) + share(m, at, 2) > 1.4;
    case XL_MADE_ISLAND:
        return !is_near_needle(m, at);
    case XL_MADE_MIRAGE:
        return valley(m, at) < 0.15 && xl_rng_below(rng, 20) > 0;
    default:
        return false;
    }
}

static void write_row(const struct made *m, const size_t *at, size_t row,
                      struct xl_rng *rng, struct xl_buf *out)
{
    if (m->kind == XL_MADE_SPARSE && xl_rng_below(rng, 20))
        return;
    for (size_t d = 0; d < m->n_dims; d++) {
        if ((d + 1 == m->n_dims && d > 2) || m->kind == XL_MADE_LABELS)
            xl_buf_printf(out, "kind%zu,", at[d]);
        else
            xl_buf_printf(out, "%d,", 1 << at[d]);
    }
    double y = cost_log(m, at, row, rng);
    if (fails(m, at, rng))
        xl_buf_text(out, "failed\n");
    else if (m->kind == XL_MADE_SIGNS)
        xl_buf_printf(out, "%.9g\n", 0.4 - y);
    else
        xl_buf_printf(out, "%.9g\n", 10 * exp(y));
}

static void write_table(const struct made *m, struct xl_rng *rng,
                        struct xl_buf *out)
{
    size_t at[DIMS] = { 0 };
    xl_buf_printf(out, "# objective=time direction=%s\n",
                  m->kind == XL_MADE_SIGNS ? "max" : "min");
    for (size_t d = 0; d < m->n_dims; d++)
        xl_buf_printf(out, "p%zu,", d);
    xl_buf_text(out, "value\n");
    for (size_t row = 0, d = 0; d < m->n_dims; row++) {
        write_row(m, at, row, rng, out);
        for (d = 0; d < m->n_dims && ++at[d] == m->n[d]; d++)
            at[d] = 0;
    }
}

enum xl_status xl_made_table(struct xl_table **table, enum xl_made kind,
                             uint64_t seed, struct xl_err *err)
{
    struct made made = { .kind = kind };
    struct xl_rng rng;
    struct xl_buf text;
    xl_rng_seed(&rng, seed * STREAMS + (uint64_t)kind);
    xl_buf_init(&text, 0);
    draw_problem(&made, &rng);
    write_table(&made, &rng, &text);
    enum xl_status rc = xl_buf_check(&text, "a table", err);
    if (rc == XL_OK)
        rc = xl_table_parse(table, text.data, text.len, shapes[kind].name, err);
    xl_buf_release(&text);
    return rc;
}
