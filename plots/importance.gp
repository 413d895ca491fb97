# SPDX-License-Identifier: Apache-2.0
# What each tunable explains. Blocks: 0 counts and source, 1 bars.
stats DATA index 0 using (BARS = $2, HIGH = $3, TRIALS = $4, SOURCE = strcol(5), WIDEST = $6, 0) nooutput
WANTED = (WIDEST * 10.4 + 24) / WIDTH
set lmargin at screen (WANTED < 0.14 ? 0.14 : WANTED > 0.5 ? 0.5 : WANTED)
set bmargin at screen 0.21
set xrange [0:(HIGH > 0 ? HIGH * 112 : 100)]
set format x '%g%%'
set yrange [BARS - 0.4:-0.6]
unset grid
set grid xtics lt 1 lc rgb GRID
set ytics scale 0 font FONT.',13' ('' 0)
set xlabel sprintf("share of the variance of the objective, n=%d trials\n%s", int(TRIALS), SOURCE) textcolor rgb INK noenhanced
unset key
plot DATA index 1 using (0):1:(0):($3 * 100):($1 - 0.32):($1 + 0.32):($6 > 0 ? 1 : 0) with boxxyerror fc rgb FILL, \
     DATA index 1 using ($3 * 100):(bounded(1, 4, 5)):($4 * 100):($5 * 100) with xerrorbars pt 7 ps 1 lw 2 lc rgb ACCEPTED, \
     DATA index 1 using (100 * (valid(5) ? $5 : $3)):1:(sprintf('  %.0f%%', $3 * 100)) with labels left font FONT.',12' textcolor rgb INK, \
     DATA index 1 using (0):1:ytic(2) with points pt 7 ps 0 lc rgb INK
