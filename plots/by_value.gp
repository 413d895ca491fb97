# SPDX-License-Identifier: Apache-2.0
# Decode (above) and prefill (below) by one tunable. Blocks of the data file:
# 0 sizes; then groups, accepted trials, rejected trials of decode (1 2 3) and
# of prefill (4 5 6).
stats DATA index 0 using (PLACES = $2, TOP_1 = $3, TOP_2 = $4, 0) nooutput
set multiplot
set rmargin at screen 0.98
set xrange [-0.6:(PLACES > 0 ? PLACES : 1) - 0.4]
set xtics scale 0 offset 0,-0.2 font FONT.(PLACES > 8 ? ',11' : ',14') ('' 0)
array LABELS[2] = ['decode (tok/s)', 'prefill (tok/s)']
do for [p = 1:2] {
    top = p == 1 ? TOP_1 : TOP_2
    set tmargin at screen (p == 1 ? TOP : 0.495)
    set bmargin at screen (p == 1 ? 0.595 : 0.175)
    set yrange [0:(top > 0 ? top * 1.14 : 1)]
    set ylabel LABELS[p] textcolor rgb INK
    if (p == 2) {
        unset label 1
        unset label 2
        set xlabel AXIS textcolor rgb INK offset 0,-1.2
        set key at screen 0.55,0.02 maxrows 1
    } else {
        unset xlabel
        unset key
    }
    if (top == 0) {
        set label 3 'no trial has a value' at graph 0.5,0.5 center font FONT.',14' textcolor rgb SOFT noenhanced
        set ytics scale 0 format ''
    } else {
        unset label 3
        set ytics scale 1 format numbers(0, top)
    }
    b = 3 * p - 2
    plot DATA index b + 1 using 1:4 with points pt 7 ps 0.6 lc rgb CONTEXT title 'trial', \
         DATA index b + 2 using 1:4 with points pt 2 ps 0.8 lw 1.2 lc rgb REJECTED title 'rejected', \
         DATA index b using ($1 - 0.2):(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0 lw 2 lc rgb ACCEPTED notitle, \
         DATA index b using ($1 - 0.2):4 with points pt 13 ps 2 lc rgb ACCEPTED title 'maximum', \
         DATA index b using ($1 + 0.2):(bounded(7, 8, 9)):8:9 with yerrorbars pt 7 ps 0 lw 2 lc rgb MIDDLE notitle, \
         DATA index b using ($1 + 0.2):7 with points pt 5 ps 1.4 lc rgb MIDDLE title 'median', \
         DATA index b using ($1 - 0.12):(valid(10) ? $10 : -9):(short($4)) with labels right offset 0,0.8 font FONT.',11' textcolor rgb ACCEPTED notitle, \
         DATA index b using 1:(0):xtic(sprintf("%s\nn=%d", strcol(2), int($3))) with points pt 7 ps 0 lc rgb CONTEXT notitle
}
