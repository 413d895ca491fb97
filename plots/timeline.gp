# SPDX-License-Identifier: Apache-2.0
# Each trial from begin to end, as high as it took long; below, what others
# took of the machine. Blocks: 0 counts, 1 trials, 2 samples.
stats DATA index 0 using (LAST = $2, LONGEST = $3, N = $4, N_SAMPLES = $5, N_1 = $6, N_2 = $7, N_3 = $8, UNIT = strcol(9), 0) nooutput
set multiplot
set xrange [0:LAST]
set yrange [0:LONGEST * 1.06]
set bmargin at screen (N_SAMPLES > 0 ? 0.47 : 0.2)
set ylabel 'time of the trial (s)' textcolor rgb INK
if (N_SAMPLES == 0) {
    set xlabel UNIT.' since the sweep began' textcolor rgb INK
} else {
    set format x ''
}
set key at screen 0.545,0.02 maxrows 1
# Trials that are narrower than a pixel would vanish as boxes.
if (N > 700) {
    plot DATA index 1 using (($1 + $2) / 2):($4 == 0 ? $3 : NaN) with impulses lw 1 lc rgb ACCEPTED title sprintf('accepted (n=%d)', int(N_1)), \
         DATA index 1 using (($1 + $2) / 2):($4 == 1 ? $3 : NaN) with impulses lw 1 lc rgb REJECTED title (N_2 > 0 ? sprintf('rejected (n=%d)', int(N_2)) : ''), \
         DATA index 1 using (($1 + $2) / 2):($4 > 1 ? $3 : NaN) with impulses lw 1 lc rgb INK title (N_3 > 0 ? sprintf('failed (n=%d)', int(N_3)) : '')
} else {
    plot DATA index 1 using 1:($4 == 0 ? 0 : NaN):1:2:(0):3 with boxxyerror fc rgb ACCEPTED fs solid 0.75 noborder title sprintf('accepted (n=%d)', int(N_1)), \
         DATA index 1 using 1:($4 == 1 ? 0 : NaN):1:2:(0):3 with boxxyerror fc rgb REJECTED fs solid 0.75 noborder title (N_2 > 0 ? sprintf('rejected (n=%d)', int(N_2)) : ''), \
         DATA index 1 using 1:($4 > 1 ? 0 : NaN):1:2:(0):3 with boxxyerror fc rgb INK fs solid 0.75 noborder title (N_3 > 0 ? sprintf('failed (n=%d)', int(N_3)) : '')
}
unset label
unset key
if (N_SAMPLES > 0) {
    set tmargin at screen 0.43
    set bmargin at screen 0.19
    set format x '%g'
    set yrange [0:100]
    set ytics 25
    set ylabel 'taken by others (%)' textcolor rgb INK
    set xlabel UNIT.' since the sweep began' textcolor rgb INK
    plot DATA index 2 using 1:2 with points pt 7 ps 0.35 lc rgb CONTEXT
}
