# SPDX-License-Identifier: Apache-2.0
# The samples of the best trials as boxes. Blocks: 0 ranges, 1 boxes, 2
# samples.
stats DATA index 0 using (N = $2, Y_LO = $3, Y_HI = $4, LABEL = strcol(5), 0) nooutput
FOOT = (N + 1) * 19.0 / HEIGHT
set bmargin at screen FOOT + 0.14
set xrange [-0.6:N - 0.4]
set yrange [Y_LO:Y_HI]
set format y numbers(Y_LO, Y_HI)
set ylabel LABEL textcolor rgb INK noenhanced
set xtics scale 0 font FONT.',12' ('' 0)
set xlabel 'trial, best first' textcolor rgb INK offset 0,(-0.6)
unset key
set boxwidth 0.5
plot DATA index 1 using 1:3:2:6:5 with candlesticks fc rgb FILL lc rgb CONTEXT lw 1.2 whiskerbars 0.5, \
     DATA index 1 using 1:(bounded(7, 7, 8)):(0):($8 - $7) with vectors nohead lw 2.2 lc rgb INK, \
     DATA index 1 using ($1 - 0.25):4:(0.5):(0) with vectors nohead lw 3 lc rgb ACCEPTED, \
     DATA index 2 using 1:2 with points pt 7 ps 0.55 lc rgb MIDDLE, \
     DATA index 1 using 1:(Y_LO):xtic(sprintf("%s%s\nn=%d", strcol(10), strlen(strcol(11)) > 1 ? ' '.strcol(11) : '', int($9))) with points pt 7 ps 0 lc rgb INK, \
     DATA index 1 using (-0.6):(Y_LO):(sprintf('%s: %s', strcol(10), strcol(12))) every ::0::0 with labels left offset screen -0.09,screen (-0.12 - 19.0 / HEIGHT) font FONT.',11' textcolor rgb SOFT, \
     for [i = 1:(N > 1 ? N - 1 : 1)] DATA index 1 using (-0.6):(Y_LO):(sprintf('%s: %s', strcol(10), strcol(12))) every ::i::i with labels left offset screen -0.09,screen (-0.12 - (i + 1) * 19.0 / HEIGHT) font FONT.',11' textcolor rgb SOFT
