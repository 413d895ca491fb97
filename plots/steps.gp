# SPDX-License-Identifier: Apache-2.0
# The time of each step of one decode. Blocks: 0 counts and quantiles, 1 steps.
stats DATA index 0 using (FIRST = $2, LAST = $3, HIGH = $4, N = $5, MIDPOINT = $6, LO = $7, HI = $8, P90 = $9, P99 = $10, LOW = $11, 0) nooutput
set bmargin at screen 0.25
set xrange [FIRST - 1:LAST + 1]
# Rare interruptions would press all else to the ground.
SPIKY = HIGH > 12 * MIDPOINT
if (SPIKY) {
    set logscale y
    set yrange [LOW / 1.5:HIGH * 1.5]
} else {
    set yrange [0:HIGH * 1.08]
}
set xlabel 'step (1 = the second new token)' textcolor rgb INK
set ylabel 'time of the step (ms'.(SPIKY ? ', logarithmic)' : ')') textcolor rgb INK
set key at screen 0.545,0.02 maxrows 2
plot DATA index 1 using 1:4 with points pt 7 ps 0.5 lc rgb CONTEXT title sprintf('step (n=%d)', int(N)), \
     DATA index 0 using (FIRST):6:(LAST - FIRST):(0) with vectors nohead lw 2.5 lc rgb ACCEPTED title sprintf('median %.3g ms%s', MIDPOINT, LO == LO ? sprintf(' (%.3g-%.3g)', LO, HI) : ''), \
     DATA index 0 using (FIRST):9:(LAST - FIRST):(0) with vectors nohead lw 2 dt 2 lc rgb MIDDLE title sprintf('90%% below %.3g ms', P90), \
     DATA index 0 using (FIRST):10:(LAST - FIRST):(0) with vectors nohead lw 2 dt 3 lc rgb REJECTED title sprintf('99%% below %.3g ms', P99)
