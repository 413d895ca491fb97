# SPDX-License-Identifier: Apache-2.0
# The best accepted trial of each pair of values. Blocks: 0 sizes and names,
# 1 cells, 2 labels of x, 3 labels of y, 4 cells whose trials all lost.
stats DATA index 0 using (NX = $2, NY = $3, LO = $4, HI = $5, X_NAME = strcol(7), Y_NAME = strcol(8), LABEL = strcol(9), 0) nooutput
set lmargin at screen 0.13
set rmargin at screen 0.84
set bmargin at screen 0.13
set xrange [-0.5:NX - 0.5]
set yrange [-0.5:NY - 0.5]
unset grid
unset key
set border 0
set xtics scale 0 font FONT.(NX > 8 ? ',10' : ',13') ('' 0)
set ytics scale 0 font FONT.',13' ('' 0)
set xlabel X_NAME textcolor rgb INK noenhanced
set ylabel Y_NAME textcolor rgb INK offset -1.5,0 noenhanced
# Stops of viridis; gnuplot 5.4 has no name for it.
set palette defined (0 '#440154', 1 '#3b528b', 2 '#21918c', 3 '#5ec962', 4 '#fde725')
set cbrange [LO:(HI > LO ? HI : LO + 1)]
set cblabel LABEL textcolor rgb INK offset 1,0 noenhanced
set cbtics textcolor rgb INK
set format cb numbers(LO, HI)
set colorbox user origin screen 0.86,0.13 size screen 0.02,TOP - 0.13
SIZE = NX > 9 ? ',8' : NX > 6 ? ',10' : ',12'
BRIGHT(v) = (v - LO) / (HI > LO ? HI - LO : 1) > 0.55
cell(t, i, n) = sprintf("%s\n%s\nn=%d", t, i, int(n))
plot DATA index 4 using 1:2:(0.48):(0.48) with boxxyerror fs empty border lw 1 lc rgb GRID, \
     DATA index 4 using 1:2:(sprintf("none accepted\nof %d", int($3))) with labels font FONT.SIZE textcolor rgb SOFT, \
     DATA index 1 using 1:2:(0.48):(0.48):3 with boxxyerror fc palette, \
     DATA index 1 using 1:(BRIGHT($3) ? $2 : -9):(cell(strcol(8), strcol(9), $6)) with labels font FONT.SIZE textcolor rgb '#101010', \
     DATA index 1 using 1:(BRIGHT($3) ? -9 : $2):(cell(strcol(8), strcol(9), $6)) with labels font FONT.SIZE textcolor rgb '#f4f4f4', \
     DATA index 1 using ($7 > 0 ? $1 : NaN):2:(0.465):(0.465) with boxxyerror fs empty border lw 4 lc rgb WINNER, \
     DATA index 2 using 1:(-0.5):xtic(2) with points pt 7 ps 0 lc rgb INK, \
     DATA index 3 using (-0.5):1:ytic(2) with points pt 7 ps 0 lc rgb INK
