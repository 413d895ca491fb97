# SPDX-License-Identifier: Apache-2.0
# Memory during the sweep (above) and one generation (below), whichever there
# is. Blocks: 0 counts and ranges, 1 peaks of samples, 2 readings.
stats DATA index 0 using (N_1 = $2, TOP_1 = $3, N_2 = $4, TOP_2 = $5, LAST = $6, UNIT = strcol(7), UNIT_BELOW = strcol(8), 0) nooutput
BOTH = N_1 > 0 && N_2 > 0
set multiplot
unset key
if (N_1 > 0) {
    set bmargin at screen (BOTH ? 0.565 : 0.13)
    set yrange [0:TOP_1 * 1.15]
    set xrange [0:*] noextend
    set xlabel UNIT.' since the sweep began' textcolor rgb INK
    set ylabel 'peak of the evaluator (MiB)' textcolor rgb INK
    set label 3 sprintf('n=%d samples', int(N_1)) at graph 0.99,0.97 right font FONT.',12' textcolor rgb SOFT
    plot DATA index 1 using 1:2 with points pt 7 ps 0.45 lc rgb ACCEPTED
    unset label
}
if (N_2 > 0) {
    set tmargin at screen (BOTH ? 0.435 : TOP)
    set bmargin at screen 0.11
    set yrange [0:TOP_2 * 1.15]
    set xrange [0:(LAST > 0 ? LAST : 1)]
    set xlabel UNIT_BELOW.' since the generation began' textcolor rgb INK
    set ylabel 'resident (MiB)' textcolor rgb INK
    set label 3 sprintf('n=%d readings', int(N_2)) at graph 0.99,0.97 right font FONT.',12' textcolor rgb SOFT
    plot DATA index 2 using 1:2 with lines lw 2 lc rgb MIDDLE
}
