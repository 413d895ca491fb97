# SPDX-License-Identifier: Apache-2.0
# The objective along each tunable through the winner. Blocks: 0 ranges, then
# four a panel: name, labels, all trials, the slice.
stats DATA index 0 using (PANELS = $2, Y_LO = $3, Y_HI = $4, BEST = $5, LABEL = strcol(6), 0) nooutput
COLUMNS = PANELS < 3 ? PANELS : 3
ROWS = PANELS > 3 ? 2 : 1
set multiplot
set yrange [Y_LO:Y_HI]
FOOT = 0.105
CELL = (TOP + 0.015 - FOOT) / ROWS
do for [p = 0:PANELS - 1] {
    b = 1 + 4 * p
    stats DATA index b using (NAME = strcol(1), VALUES = $2, AT = $3, WIDEST = $4, 0) nooutput
    TILTED = WIDEST * VALUES * 8.0 > 860.0 / COLUMNS
    c = p % 3
    r = p / 3
    set lmargin at screen 0.085 + c * (0.905 / COLUMNS)
    set rmargin at screen 0.07 + (c + 1) * (0.905 / COLUMNS)
    set tmargin at screen TOP - r * CELL
    set bmargin at screen TOP - (r + 1) * CELL + 0.115
    set xrange [-0.6:VALUES - 0.4]
    set xtics scale 0 rotate by (TILTED ? -30 : 0) font FONT.(TILTED ? ',10' : ',12') ('' 0)
    set xlabel NAME textcolor rgb INK offset 0,(TILTED ? 0.4 : 0.2) noenhanced
    if (c == 0) {
        set ylabel LABEL textcolor rgb INK offset 0.5,0 font FONT.',12' noenhanced
        set format y numbers(Y_LO, Y_HI)
    } else {
        unset ylabel
        set format y ''
    }
    unset key
    plot DATA index b + 2 using 1:($5 > 0 ? $2 : NaN) with points pt 7 ps 0.4 lc rgb CONTEXT notitle, \
         DATA index b + 2 using 1:($5 > 0 ? NaN : $2) with points pt 2 ps 0.4 lc rgb CONTEXT notitle, \
         DATA index b + 3 using 1:($5 > 0 ? $2 : NaN) with lines lw 1.5 lc rgb ACCEPTED notitle, \
         DATA index b + 3 using 1:(bounded(2, 3, 4)):3:4 with yerrorbars pt 7 ps 0 lw 1.5 lc rgb ACCEPTED notitle, \
         DATA index b + 3 using 1:($5 > 0 ? $2 : NaN) with points pt 7 ps 1.1 lc rgb ACCEPTED notitle, \
         DATA index b + 3 using 1:($5 > 0 ? NaN : $2) with points pt 2 ps 1.1 lw 1.8 lc rgb REJECTED notitle, \
         DATA index b using 3:(BEST) with points pt 12 ps 2.2 lw 2.5 lc rgb WINNER notitle, \
         DATA index b + 1 using 1:(Y_LO):xtic(2) with points pt 7 ps 0 lc rgb INK notitle
    unset label 1
    unset label 2
}
# The key in a frame of its own, as wide as the page.
unset border
unset tics
unset grid
unset xlabel
unset ylabel
set lmargin at screen 0.02
set rmargin at screen 0.98
set tmargin at screen 0.09
set bmargin at screen 0.02
set key at screen 0.53,0.01 maxrows 1
plot NaN notitle, \
     keyentry with points pt 7 ps 0.4 lc rgb CONTEXT title 'other accepted', \
     keyentry with points pt 2 ps 0.4 lc rgb CONTEXT title 'other, not accepted', \
     keyentry with points pt 7 ps 1.1 lc rgb ACCEPTED title 'all else as the winner', \
     keyentry with points pt 2 ps 1.1 lw 1.8 lc rgb REJECTED title 'the same, rejected', \
     keyentry with points pt 12 ps 2.2 lw 2.5 lc rgb WINNER title 'winner'
