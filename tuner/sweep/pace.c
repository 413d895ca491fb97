/* SPDX-License-Identifier: Apache-2.0
 *
 * Every phase behind the search is put down at what it would cost now: the
 * whole judge for nominee, defaults and a few more, the holdout text whose
 * reference is made anew, a duel with one look, outputs as far as a small
 * share of the time goes. All that may not take more than MOST_SHARE, or a
 * slow judge would leave nothing to judge; then each phase gets less in
 * proportion, and what does not fit is cut. */
#include "tuner/sweep/pace.h"

#include <math.h>

#include "kernel/base/clock.h"

#define MOST_SHARE   0.45 /* of the time, behind the search */
#define START_SHARE  0.1  /* for the first grade, judge and files, at most */
#define GRADE_SHARE  0.03 /* for the last */
#define OUTPUT_SHARE 0.02 /* what does not fit is not written */
#define FILES_SHARE  0.02
#define LEAST_FILES  0.3e9 /* ns */
#define MOST_FILES   5e9

enum {
    DUEL_ROUNDS = 16, /* to the first look */
    HEARINGS = 8,     /* that might yet be as good as the best */
    MERGED_LAPS = 10, /* of the bests of both phases put together */
    COLD_LAPS = 4,    /* plans and warm-ups of a duel's sides */
    BASE_LAPS = 5,    /* of defaults that the space does not hold */
    PLAYOFF = 8       /* laps of the search: one in so many as a lap there */
};

void xl_pace_init(struct xl_pace *pace, uint64_t start_ns, double seconds)
{
    *pace = (struct xl_pace){ .start_ns = start_ns };
    if (seconds > 0)
        pace->end_ns = start_ns + (uint64_t)(seconds * 1e9);
}

static double whole_of(const struct xl_pace *pace)
{
    return pace->whole > 0 ? pace->whole : 1.0;
}

void xl_pace_lap(struct xl_pace *pace, uint64_t wall_ns, size_t n,
                 bool is_whole)
{
    if (!pace || n == 0)
        return;
    pace->laps_ns += wall_ns;
    pace->laps += (double)n * (is_whole ? whole_of(pace) : 1.0);
}

void xl_pace_trial(struct xl_pace *pace)
{
    if (pace)
        pace->trials++;
}

void xl_pace_judge(struct xl_pace *pace, uint64_t wall_ns)
{
    if (!pace)
        return;
    if (pace->first_judge_ns == 0)
        pace->first_judge_ns = wall_ns;
    pace->judge_ns = wall_ns;
}

static double lap_ns(const struct xl_pace *pace)
{
    return pace->laps > 0 ? (double)pace->laps_ns / pace->laps : 0.0;
}

static double budget_ns(const struct xl_pace *pace)
{
    return (double)(pace->end_ns - pace->start_ns);
}

/* What a phase behind the search would cost. */
static double cost_ns(const struct xl_pace *pace, enum xl_phase phase)
{
    double lap = lap_ns(pace), budget = budget_ns(pace);
    double whole = lap * whole_of(pace);
    size_t duel = pace->duel_rounds ? pace->duel_rounds : DUEL_ROUNDS;
    switch (phase) {
    case XL_PHASE_JUDGE:
        return MERGED_LAPS * lap +
               fmin(HEARINGS * (double)pace->judge_ns,
                    fmax(2.0 * (double)pace->judge_ns, START_SHARE * budget));
    case XL_PHASE_PLAYOFF:
        return lap * pace->laps / PLAYOFF;
    case XL_PHASE_HOLDOUT:
        return (double)(pace->first_judge_ns + pace->judge_ns);
    case XL_PHASE_DUEL:
        return whole * (double)(2 * duel + COLD_LAPS);
    case XL_PHASE_GRADE_END:
        return fmin(lap * 2.0 * (double)pace->grade_rounds,
                    GRADE_SHARE * budget);
    case XL_PHASE_OUTPUTS:
        return fmin(whole * (double)(pace->trials + BASE_LAPS),
                    OUTPUT_SHARE * budget);
    case XL_PHASE_FILES:
        return fmin(fmax(FILES_SHARE * budget, LEAST_FILES),
                    fmin(MOST_FILES, START_SHARE * budget));
    default:
        return 0.0;
    }
}

/* Of all phases between this one and the files. */
static double behind_ns(const struct xl_pace *pace, enum xl_phase phase)
{
    double sum = 0;
    for (int i = (int)phase + 1; i < XL_PHASE_FILES; i++)
        sum += cost_ns(pace, (enum xl_phase)i);
    return sum;
}

uint64_t xl_pace_end(const struct xl_pace *pace, enum xl_phase phase)
{
    if (!pace || !pace->end_ns)
        return 0;
    double budget = budget_ns(pace);
    if (phase == XL_PHASE_GRADE_START)
        return pace->start_ns + (uint64_t)(START_SHARE * budget);
    double all = behind_ns(pace, XL_PHASE_SEARCH), most = MOST_SHARE * budget;
    double share = all > most ? most / all : 1.0;
    double behind = share * behind_ns(pace, phase);
    if (phase != XL_PHASE_FILES)
        behind += cost_ns(pace, XL_PHASE_FILES);
    return behind < budget ? pace->end_ns - (uint64_t)behind : pace->start_ns;
}

bool xl_pace_has(const struct xl_pace *pace, enum xl_phase phase,
                 uint64_t more_ns)
{
    uint64_t end = xl_pace_end(pace, phase);
    return !end || xl_clock_ns() + more_ns < end;
}

bool xl_pace_is_over(const struct xl_pace *pace, enum xl_phase phase)
{
    return !xl_pace_has(pace, phase, 0);
}

size_t xl_pace_rounds(const struct xl_pace *pace, enum xl_phase phase)
{
    uint64_t end = xl_pace_end(pace, phase), now = xl_clock_ns();
    double round = end ? 2.0 * lap_ns(pace) : 0.0;
    if (round <= 0)
        return SIZE_MAX;
    return now < end ? (size_t)((double)(end - now) / round) : 0;
}
