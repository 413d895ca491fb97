# SPDX-License-Identifier: Apache-2.0
# The objective by trial, and the best so far among accepted trials. Failed
# trials have no value: their crosses stand in the strip under the line.
# Blocks: 0 ranges, default, counts, tic step, label and subtitle, 1 accepted,
# 2 rejected, 3 best so far, 4 failed, 5 winner.
stats DATA index 0 using (X_LO = $1, X_HI = $2, Y_LO = $3, Y_HI = $4, HAS_DEFAULT = valid(5), N_1 = $6, N_2 = $7, N_FAILED = $8, HAS_WINNER = $9, STEP = $10, Y_LABEL = strcol(11), SUBTITLE = strcol(12), 0) nooutput
set label 1 TITLE at screen 0.02,0.965 left font FONT.',19' textcolor rgb INK noenhanced
set label 2 SUBTITLE at screen 0.02,0.92 left font FONT.',12' textcolor rgb SOFT noenhanced
STRIP = (Y_HI - Y_LO) * 0.09
FLOOR = Y_LO - (N_FAILED > 0 ? STRIP : 0)
set yrange [FLOOR:Y_HI]
set ytics STEP * ceil(Y_LO / STEP), STEP, Y_HI
if (N_1 + N_2 == 0) {
    set label 3 'no trial has a value' at graph 0.5,0.5 center font FONT.',16' textcolor rgb SOFT noenhanced
    unset ytics
}
set lmargin at screen 0.115
set rmargin at screen 0.97
set tmargin at screen 0.875
set bmargin at screen 0.235
set xrange [X_LO:X_HI]
if (X_HI - X_LO < 12) {
    set xtics 1
}
set xlabel 'trial (in the order of the search)' textcolor rgb INK
set ylabel Y_LABEL textcolor rgb INK offset -0.5,0 noenhanced
if (N_FAILED > 0) {
    set arrow 1 from X_LO,Y_LO to X_HI,Y_LO nohead lw 1 lc rgb SOFT dt 2
}
set key at screen 0.545,0.02 maxrows 3
plot DATA index 0 using (X_LO):5:(X_HI - X_LO):(0) with vectors nohead lw 1.5 dt 4 lc rgb REFERENCE title (HAS_DEFAULT > 0 ? 'default' : ''), \
     DATA index 1 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 1 lc rgb CONTEXT notitle, \
     DATA index 3 using 1:4 with steps lw 2.5 lc rgb MIDDLE title 'best so far', \
     DATA index 1 using 1:4 with points pt 7 ps 0.9 lc rgb ACCEPTED title sprintf('accepted (n=%d)', int(N_1)), \
     DATA index 2 using 1:4 with points pt 2 ps 1.2 lw 1.8 lc rgb REJECTED title sprintf('rejected (n=%d)', int(N_2)), \
     DATA index 4 using 1:(Y_LO - STRIP * 0.5) with points pt 1 ps 1.1 lw 1.8 lc rgb REJECTED title sprintf('failed (n=%d)', int(N_FAILED)), \
     DATA index 5 using 1:4 with points pt 12 ps 3 lw 3 lc rgb WINNER title (HAS_WINNER > 0 ? 'winner' : '')
