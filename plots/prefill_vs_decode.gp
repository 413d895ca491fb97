# SPDX-License-Identifier: Apache-2.0
# Every trial with both speeds, and the front that none beats in both.
# Blocks: 0 ranges and counts, 1 accepted, 2 rejected, 3 front, 4 stairs,
# 5 reference, 6 winner.
stats DATA index 0 using (X_LO = $2, X_HI = $3, Y_LO = $4, Y_HI = $5, N_1 = $6, N_2 = $7, N_FAILED = $8, HAS_DEFAULT = $9, HAS_WINNER = $10, 0) nooutput
if (N_FAILED > 0) {
    set label 4 sprintf('%d failed, without speeds', int(N_FAILED)) at graph 0.99,1.03 right font FONT.',12' textcolor rgb SOFT
}
set format x numbers(X_LO, X_HI)
set format y numbers(Y_LO, Y_HI)
set xrange [X_LO:X_HI]
set yrange [Y_LO:Y_HI]
set grid xtics
set xlabel 'prefill (tok/s)' textcolor rgb INK
set ylabel 'decode (tok/s)' textcolor rgb INK
set key at screen 0.545,0.02 maxrows 2
plot DATA index 2 using 1:(bounded(4, 2, 5)):2:3:5:6 with xyerrorbars pt 7 ps 0 lw 0.5 lc rgb GRID notitle, \
     DATA index 1 using 1:(bounded(4, 2, 5)):2:3:5:6 with xyerrorbars pt 7 ps 0 lw 0.7 lc rgb bar(N_1 + N_2) notitle, \
     DATA index 4 using 1:4 with lines lw 1.5 lc rgb MIDDLE title 'Pareto front', \
     DATA index 2 using 1:4 with points pt 2 ps dot(N_1 + N_2) lw 1.5 lc rgb REJECTED title (N_2 > 0 ? sprintf('rejected (n=%d)', int(N_2)) : ''), \
     DATA index 1 using 1:4 with points pt 7 ps dot(N_1 + N_2) lc rgb ACCEPTED title sprintf('accepted (n=%d)', int(N_1)), \
     DATA index 3 using 1:4 with points pt 7 ps 1.1 lc rgb MIDDLE title 'on the front', \
     DATA index 5 using 1:4 with points pt 4 ps 2.4 lw 2.5 lc rgb REFERENCE title (HAS_DEFAULT > 0 ? 'default' : ''), \
     DATA index 6 using 1:4 with points pt 12 ps 3 lw 3 lc rgb WINNER title (HAS_WINNER > 0 ? 'winner' : '')
