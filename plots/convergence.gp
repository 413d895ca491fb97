# SPDX-License-Identifier: Apache-2.0
# The best so far among accepted trials, and what random search would have.
# Blocks: 0 ranges, 1 accepted, 2 best so far, 3 random search (mean and band
# from 10 to 90 percent), 4 winner.
stats DATA index 0 using (X_LO = $2, X_HI = $3, Y_LO = $4, Y_HI = $5, HAS_DEFAULT = valid(6), N_1 = $7, HAS_WINNER = $8, STEP = $9, N_RANDOM = $10, IS_RANDOM = $11, Y_LABEL = strcol(12), 0) nooutput
set yrange [Y_LO:Y_HI]
set ytics STEP * ceil(Y_LO / STEP), STEP, Y_HI
set xrange [X_LO:X_HI]
if (X_HI - X_LO < 12) {
    set xtics 1
}
set bmargin at screen 0.26
set xlabel 'trial (in the order of the search)' textcolor rgb INK
set format y numbers(Y_LO, Y_HI)
set ylabel Y_LABEL textcolor rgb INK noenhanced
set key at screen 0.545,0.02 maxrows 2
RANDOM = sprintf(IS_RANDOM > 0 ? 'random search, expected (n=%d)' : 'in random order, expected (n=%d)', int(N_RANDOM))
plot DATA index 3 using 1:5:6 with filledcurves fc rgb BAND notitle, \
     DATA index 1 using 1:4 with points pt 7 ps 0.5 lc rgb CONTEXT title sprintf('accepted (n=%d)', int(N_1)), \
     DATA index 0 using (X_LO):6:(X_HI - X_LO):(0) with vectors nohead lw 1.5 dt 4 lc rgb REFERENCE title (HAS_DEFAULT > 0 ? 'default' : ''), \
     DATA index 3 using 1:4 with lines lw 2 dt 2 lc rgb MIDDLE title RANDOM, \
     DATA index 2 using 1:4 with steps lw 2.5 lc rgb ACCEPTED title 'best so far', \
     DATA index 2 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0.9 lw 1.5 lc rgb ACCEPTED notitle, \
     DATA index 4 using 1:4 with points pt 12 ps 2.6 lw 3 lc rgb WINNER title (HAS_WINNER > 0 ? 'winner' : '')
