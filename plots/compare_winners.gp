# Blocks: 0 counts, 1 runs: place name decode lo hi prefill lo hi n.
set multiplot
set xrange [-0.6:N - 0.4]
set xtics scale 0 font FONT.(N > 4 ? ',10' : ',12') ('' 0)
array LABELS[2] = ['decode (tok/s)', 'prefill (tok/s)']
unset key
do for [p = 1:2] {
    c = 3 * p
    high = p == 1 ? X_HI : Y_HI
    set tmargin at screen (p == 1 ? TOP : 0.48)
    set bmargin at screen (p == 1 ? 0.56 : 0.1)
    set yrange [0:high * 1.15]
    set format y numbers(0, high)
    set ylabel LABELS[p] textcolor rgb INK
    if (p == 2) {
        unset label
    }
    plot for [k = 1:N] DATA index 1 every ::(k - 1)::(k - 1) using 1:(column(c) / 2):(0.3):(column(c) / 2) with boxxyerror fc rgb HUES[k] fs solid 0.75 noborder, \
         DATA index 1 using 1:(bounded(c + 1, c + 1, c + 2)):(0):(column(c + 2) - column(c + 1)) with vectors heads size screen 0.008,90 nofilled lw 2 lc rgb INK, \
         DATA index 1 using 1:(valid(c + 2) ? column(c + 2) : valid(c) ? column(c) : -9):(short(column(c))) with labels offset 0,0.8 font FONT.',12' textcolor rgb INK, \
         DATA index 1 using 1:(0):xtic(sprintf("%s\nn=%d", strcol(2), int($9))) with points pt 7 ps 0 lc rgb INK
}
