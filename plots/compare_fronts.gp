# Blocks: 0 ranges, 1 names, then three a run: accepted, outline, winner.
set xrange [X_LO:X_HI]
set yrange [Y_LO:Y_HI]
set format x numbers(X_LO, X_HI)
set format y numbers(Y_LO, Y_HI)
set grid xtics
set bmargin at screen 0.24
set xlabel 'prefill (tok/s)' textcolor rgb INK
set ylabel 'decode (tok/s)' textcolor rgb INK
set key at screen 0.545,0.02 maxrows 4
plot for [k = 1:N] DATA index 3 * k - 1 using 1:4 with points pt 7 ps 0.55 lc rgb HUES[k] notitle, \
     for [k = 1:N] DATA index 3 * k using 1:4 with lines lw 1.8 lc rgb HUES[k] title NAMES[k], \
     for [k = 1:N] DATA index 3 * k + 1 using 1:(bounded(4, 2, 5)):2:3:5:6 with xyerrorbars pt 7 ps 0 lw 1.4 lc rgb HUES[k] notitle, \
     for [k = 1:N] DATA index 3 * k + 1 using 1:4 with points pt 12 ps 2.4 lw 3 lc rgb HUES[k] notitle
