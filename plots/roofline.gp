# SPDX-License-Identifier: Apache-2.0
# Every trial under the limits of the machine. Blocks: 0 ranges and counts, 1
# slopes, 2 peaks, 3 decode accepted, 4 decode rejected, 5 prefill accepted, 6
# prefill rejected, 7 winner.
stats DATA index 0 using (X_LO = $2, X_HI = $3, Y_LO = $4, Y_HI = $5, N_1 = $6, N_2 = $7, N_3 = $8, N_4 = $9, 0) nooutput
set logscale xy
set xrange [X_LO:X_HI]
set yrange [Y_LO:Y_HI]
set format x '%g'
set format y '%g'
set grid xtics ytics lt 1 lc rgb GRID
set xlabel 'arithmetic intensity (FLOP a byte that must be read)' textcolor rgb INK
set ylabel 'computed (GFLOP/s)' textcolor rgb INK
set key at screen 0.545,0.02 maxrows 2
# Angle of a slope of one on this page.
ANGLE = atan((TOP - 0.235) * HEIGHT / (0.855 * WIDTH) * log(X_HI / X_LO) / log(Y_HI / Y_LO)) * 57.2958
# Where a slope enters the page.
foot(value) = (X_LO * value > Y_LO ? X_LO : Y_LO / value) * 1.25
plot DATA index 1 using 2:3:($4 - $2):($5 - $3) notitle with dots lc rgb PAPER, \
     DATA index 1 using 1:2:($3 - $1):($4 - $2) with vectors nohead lw 2 lc rgb INK notitle, \
     DATA index 2 using 1:3:($2 - $1):(0) with vectors nohead lw 2 lc rgb INK notitle, \
     DATA index 1 using (foot($5)):(foot($5) * $5 * 1.35):(sprintf('%s %s GB/s', strcol(6), short($5))) with labels left rotate by ANGLE font FONT.',12' textcolor rgb INK notitle, \
     DATA index 2 using (X_HI / 1.1):($5 > 0 ? Y_LO / 9 : $3 * 1.2):(sprintf('%s %s GFLOP/s', strcol(4), short($3))) with labels right font FONT.',12' textcolor rgb INK notitle, \
     DATA index 2 using ($1 * 1.5):($5 > 0 ? $3 / 1.25 : Y_LO / 9):(sprintf('%s %s GFLOP/s', strcol(4), short($3))) with labels left font FONT.',12' textcolor rgb INK notitle, \
     DATA index 3 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 0.7 lc rgb CONTEXT notitle, \
     DATA index 5 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 0.7 lc rgb CONTEXT notitle, \
     DATA index 3 using 1:4 with points pt 7 ps 0.9 lc rgb ACCEPTED title sprintf('decode (n=%d)', int(N_1)), \
     DATA index 4 using 1:4 with points pt 2 ps 0.9 lw 1.4 lc rgb REJECTED title (N_2 > 0 ? sprintf('decode, rejected (n=%d)', int(N_2)) : ''), \
     DATA index 5 using 1:4 with points pt 9 ps 1 lc rgb MIDDLE title sprintf('prefill (n=%d)', int(N_3)), \
     DATA index 6 using 1:4 with points pt 1 ps 1 lw 1.4 lc rgb REJECTED title (N_4 > 0 ? sprintf('prefill, rejected (n=%d)', int(N_4)) : ''), \
     DATA index 7 using 1:4 with points pt 12 ps 2.6 lw 3 lc rgb WINNER title 'winner'
