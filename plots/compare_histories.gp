# Blocks: 0 ranges, 1 names, then one a run: best so far.
set xrange [X_LO:X_HI]
set yrange [Y_LO:Y_HI]
set format y numbers(Y_LO, Y_HI)
set bmargin at screen 0.26
set xlabel 'trial (in the order of the search)' textcolor rgb INK
set ylabel LABEL textcolor rgb INK noenhanced
set key at screen 0.545,0.02 maxrows 4
plot for [k = 1:N] DATA index k + 1 using 1:4 with steps lw 2.4 lc rgb HUES[k] title NAMES[k], \
     for [k = 1:N] DATA index k + 1 using 1:(bounded(4, 5, 6)):5:6 with yerrorbars pt 7 ps 0.8 lw 1.2 lc rgb HUES[k] notitle
