# SPDX-License-Identifier: Apache-2.0
# What speed costs. Blocks: 0 ranges and counts, 1 accepted, 2 rejected, 3
# reference, 4 winner, 5 gates, 6 ticks.
stats DATA index 0 using (X_LO = $2, X_HI = $3, Y_LO = $4, Y_HI = $5, N_1 = $6, N_2 = $7, HAS_DEFAULT = $8, HAS_WINNER = $9, LABEL = strcol(10), 0) nooutput
set xrange [X_LO:X_HI]
# Room above for the names of the gates.
TIP = Y_HI + 0.36 * (Y_HI - Y_LO)
set yrange [Y_LO:TIP]
set format y numbers(Y_LO, TIP)
set xtics scale 1 font FONT.',12' ('' X_LO)
set grid xtics
set xlabel 'paired difference from the reference (bits a byte, right is worse)' textcolor rgb INK
set ylabel LABEL textcolor rgb INK noenhanced
set key at screen 0.545,0.02 maxrows 2
plot DATA index 5 using 1:(Y_LO):(0):(TIP - Y_LO) with vectors nohead lw 2 dt 2 lc rgb SOFT title 'gate', \
     DATA index 5 using 1:(TIP):(sprintf('%s: %g ', strcol(3), $2)) with labels right rotate by 90 offset -1.1,0 font FONT.',12' textcolor rgb SOFT notitle, \
     DATA index 2 using 1:(bounded(4, 2, 3)):2:3 with xerrorbars pt 7 ps 0 lw 0.7 lc rgb bar(N_1 + N_2) notitle, \
     DATA index 2 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 0.7 lc rgb bar(N_1 + N_2) notitle, \
     DATA index 1 using 1:(bounded(4, 2, 3)):2:3 with xerrorbars pt 7 ps 0 lw 0.7 lc rgb bar(N_1 + N_2) notitle, \
     DATA index 1 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 0.7 lc rgb bar(N_1 + N_2) notitle, \
     DATA index 2 using 1:4 with points pt 2 ps dot(N_1 + N_2) lw 1.5 lc rgb REJECTED title (N_2 > 0 ? sprintf('rejected (n=%d)', int(N_2)) : ''), \
     DATA index 1 using 1:4 with points pt 7 ps dot(N_1 + N_2) lc rgb ACCEPTED title sprintf('accepted (n=%d)', int(N_1)), \
     DATA index 3 using 1:4 with points pt 4 ps 2.4 lw 2.5 lc rgb REFERENCE title (HAS_DEFAULT > 0 ? 'default' : ''), \
     DATA index 4 using 1:4 with points pt 12 ps 3 lw 3 lc rgb WINNER title (HAS_WINNER > 0 ? 'winner' : ''), \
     DATA index 6 using 1:(Y_LO):xtic(2) with points pt 7 ps 0 lc rgb INK notitle
