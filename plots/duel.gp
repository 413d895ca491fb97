# SPDX-License-Identifier: Apache-2.0
# The rounds of a duel: in each the speed of the first side over that of the
# second. Blocks: 0 panels, then two a panel: what it shows, rounds.
stats DATA index 0 using (PANELS = $2, LAST = $3, PERCENT = $4, LEFT_OUT = $5, 0) nooutput
set multiplot
set xrange [0:LAST + 1]
do for [p = 0:PANELS - 1] {
    b = 1 + 2 * p
    stats DATA index b using (NAME = strcol(1), RATIO = $2, R_LO = $3, R_HI = $4, N = $5, WORDS = strcol(6), Y_LO = $7, Y_HI = $8, LOG = $9, 0) nooutput
    set tmargin at screen (p == 0 ? TOP - 0.04 : 0.48)
    set bmargin at screen (p == PANELS - 1 ? 0.195 : 0.59)
    set yrange [Y_LO:Y_HI]
    if (LOG > 0) {
        set logscale y
        set ytics (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000)
    } else {
        unset logscale y
        set ytics auto
    }
    set ylabel NAME.(LOG > 0 ? ', ratio (logarithmic)' : ', ratio of speeds') textcolor rgb INK noenhanced
    set label 3 sprintf('%s: %.3f [%.3f, %.3f], n=%d, %s', NAME, RATIO, R_LO, R_HI, int(N), WORDS) at graph 0.995,1.06 right font FONT.',13' textcolor rgb INK noenhanced
    if (p == PANELS - 1) {
        set xlabel 'round' textcolor rgb INK offset 0,0.3
        set format x '%g'
        set key at screen 0.545,0.02 maxrows 2
    } else {
        set format x ''
        unset key
    }
    plot DATA index b using ((LAST + 1) / 2.0):2:(0):(LAST + 1):3:4 with boxxyerror fc rgb BAND fs solid noborder title sprintf('%.3g%% interval', PERCENT), \
         DATA index b using (0):2:(LAST + 1):(0) with vectors nohead lw 2.5 lc rgb MIDDLE title 'median', \
         DATA index b using (0):(1):(LAST + 1):(0) with vectors nohead lw 1.5 dt 2 lc rgb INK title 'equal', \
         DATA index b + 1 using 1:($3 == 0 ? $2 : NaN) with points pt 7 ps 0.9 lc rgb ACCEPTED title 'round', \
         DATA index b + 1 using 1:($3 > 0 ? $2 : NaN) with points pt 6 ps 0.9 lw 1.3 lc rgb CONTEXT title (LEFT_OUT > 0 ? 'disturbed' : '')
    unset label 1
    unset label 2
}
