# SPDX-License-Identifier: Apache-2.0
# Every trial in order: its objective above, its status below. Blocks: 0
# ranges, 1 accepted, 2 rejected, 3 pruned, 4 winner, 5 status marks, 6 rows.
stats DATA index 0 using (X_LO = $2, X_HI = $3, Y_LO = $4, Y_HI = $5, N_1 = $6, N_2 = $7, N_3 = $8, HAS_WINNER = $9, STEP = $10, ROWS = $11, Y_LABEL = strcol(12), 0) nooutput
set multiplot
set lmargin at screen 0.16
set xrange [X_LO:X_HI]
if (X_HI - X_LO < 12) {
    set xtics 1
}
BOTTOM = 0.205
STRIP = 0.036 * ROWS + 0.02
set bmargin at screen BOTTOM + STRIP + 0.03
set yrange [Y_LO:Y_HI]
set ytics STEP * ceil(Y_LO / STEP), STEP, Y_HI
set format x ''
set format y numbers(Y_LO, Y_HI)
set ylabel Y_LABEL textcolor rgb INK noenhanced
set key at screen 0.55,0.02 maxrows 1
if (N_1 + N_2 + N_3 == 0) {
    set label 3 'no trial has a value' at graph 0.5,0.5 center font FONT.',16' textcolor rgb SOFT noenhanced
    unset ytics
}
plot DATA index 2 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 0.5 lc rgb GRID notitle, \
     DATA index 1 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 0.8 lc rgb bar(N_1 + N_2) notitle, \
     DATA index 2 using 1:4 with points pt 2 ps dot(N_1 + N_2) * 0.8 lw 1.3 lc rgb REJECTED title (N_2 > 0 ? sprintf('rejected (n=%d)', int(N_2)) : ''), \
     DATA index 3 using 1:4 with points pt 6 ps 0.8 lw 1.2 lc rgb ACCEPTED title (N_3 > 0 ? sprintf('pruned (n=%d)', int(N_3)) : ''), \
     DATA index 1 using 1:4 with points pt 7 ps dot(N_1 + N_2) * 0.8 lc rgb ACCEPTED title sprintf('accepted (n=%d)', int(N_1)), \
     DATA index 4 using 1:4 with points pt 12 ps 2.6 lw 3 lc rgb WINNER title (HAS_WINNER > 0 ? 'winner' : '')
unset label
unset key
unset ylabel
set tmargin at screen BOTTOM + STRIP
set bmargin at screen BOTTOM
set format x '%g'
set xlabel 'trial (in the order of the search)' textcolor rgb INK offset 0,0.3
set yrange [ROWS - 0.4:-0.6]
set border 1
unset grid
set ytics scale 0 font FONT.',12' ('' 0)
HUE(o) = o == 0 ? ACCEPTED : REJECTED
plot DATA index 5 using 1:($3 == 0 ? $2 - 0.36 : NaN):(0):(0.72) with vectors nohead lw 1.6 lc rgb ACCEPTED, \
     DATA index 5 using 1:($3 == 1 ? $2 - 0.36 : NaN):(0):(0.72) with vectors nohead lw 1.6 lc rgb REJECTED, \
     DATA index 5 using 1:($3 > 1 ? $2 - 0.36 : NaN):(0):(0.72) with vectors nohead lw 1.6 lc rgb INK, \
     DATA index 6 using (X_LO):1:ytic(sprintf('%s (%d)', strcol(2), int($3))) with points pt 7 ps 0 lc rgb INK
