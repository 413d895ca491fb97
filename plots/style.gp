# SPDX-License-Identifier: Apache-2.0
# One look for all pictures. Colours after Okabe and Ito: told apart by people
# with any kind of colour vision; shapes differ as well.
set encoding utf8
set datafile separator tab
FONT = 'DejaVu Sans'
if (strstrt(GPVAL_TERMINALS, ' pngcairo ') > 0) {
    set terminal pngcairo size WIDTH,HEIGHT font FONT.',14' background '#ffffff' noenhanced
} else {
    set terminal png size WIDTH,HEIGHT font FONT.',12' background '#ffffff' noenhanced
}
set output STEM.'.png'
DATA = 'plots/'.STEM.'.dat'

INK = '#222222'
SOFT = '#666666'
GRID = '#e3e3e3'
ACCEPTED = '#0072b2'
MIDDLE = '#009e73'
REJECTED = '#d55e00'
WINNER = '#cc79a7'
REFERENCE = '#000000'
CONTEXT = '#8fa9bb'

# The value where it has bounds, else nothing: a bar without bounds would be
# drawn from zero.
bounded(value, lo, hi) = (valid(lo) && valid(hi)) ? column(value) : NaN

set border 3 lc rgb SOFT
set tics nomirror out textcolor rgb INK
set grid ytics lt 1 lc rgb GRID lw 1
set bars 0.6
set key center bottom horizontal Left reverse samplen 1.8 width 0.5 spacing 1.15 font FONT.',12' textcolor rgb INK noenhanced
set format y '%.4g'
