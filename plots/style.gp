# SPDX-License-Identifier: Apache-2.0
# One look for all pictures, drawn four times: PNG and SVG, light and dark.
# The last line of a script starts the next pass. Colours after Okabe and Ito:
# told apart by people with any kind of colour vision; shapes differ as well.
set encoding utf8
set datafile separator tab
DARK = (PASS == 2 || PASS == 4) ? 1 : 0
DATA = 'plots/'.STEM.'.dat'
PAPER = DARK ? '#14181c' : '#ffffff'
INK = DARK ? '#e4e8eb' : '#222222'
SOFT = DARK ? '#9aa6b0' : '#5f6a73'
GRID = DARK ? '#2b3238' : '#e3e3e3'
ACCEPTED = DARK ? '#56b4e9' : '#0072b2'
MIDDLE = DARK ? '#2fc79a' : '#009e73'
REJECTED = DARK ? '#ff8a3d' : '#d55e00'
WINNER = DARK ? '#f0a6d0' : '#cc79a7'
REFERENCE = DARK ? '#ffffff' : '#000000'
CONTEXT = DARK ? '#7d95a6' : '#8fa9bb'
BAND = DARK ? '#26424a' : '#d4ece4'
FILL = DARK ? '#24425a' : '#cfe3f1'
if (PASS <= 2) {
    FONT = 'DejaVu Sans'
    if (strstrt(GPVAL_TERMINALS, ' pngcairo ') > 0) {
        set terminal pngcairo size WIDTH,HEIGHT font FONT.',14' background PAPER noenhanced
    } else {
        set terminal png size WIDTH,HEIGHT font FONT.',12' background PAPER noenhanced
    }
    set output (DARK ? 'plots/'.STEM.'.dark.png' : STEM.'.png')
} else {
    FONT = 'sans-serif'
    set terminal svg size WIDTH,HEIGHT font FONT.',14' background PAPER noenhanced
    set output 'plots/'.STEM.(DARK ? '.dark.svg' : '.svg')
}

# Labels of which every one is at NaN kill gnuplot 5.4: those that are not
# wanted stand outside the ranges instead.

# The value where it has bounds, else nothing: a bar without bounds would be
# drawn from zero.
bounded(value, lo, hi) = (valid(lo) && valid(hi)) ? column(value) : NaN
# Ticks of a scale: 14.5k rather than 1.45e+04.
numbers(lo, hi) = hi < 9999.5 ? '%.4g' : hi - lo < 900 ? '%.2s%c' : hi - lo < 9000 ? '%.1s%c' : '%.0s%c'
# Many marks are drawn smaller and their bars fainter.
dot(n) = n > 1000 ? 0.35 : 0.9
bar(n) = n > 1000 ? GRID : CONTEXT
short(v) = v >= 999500 ? sprintf('%.3gM', v / 1e6) : v >= 9995 ? sprintf('%.3gk', v / 1e3) : sprintf('%.4g', v)

set border 3 lc rgb SOFT
set tics nomirror out textcolor rgb INK
set grid ytics lt 1 lc rgb GRID lw 1
set bars 0.6
set key center bottom horizontal Left reverse samplen 1.8 width 0.5 spacing 1.15 font FONT.',12' textcolor rgb INK noenhanced
set format y '%.4g'
set style fill solid 1.0 noborder
stats DATA index 0 using (SUBTITLE = strcol(1), 0) nooutput
set label 1 TITLE at screen 0.02,screen (1 - 26.0 / HEIGHT) left font FONT.',19' textcolor rgb INK noenhanced
set label 2 SUBTITLE at screen 0.02,screen (1 - 55.0 / HEIGHT) left font FONT.',12' textcolor rgb SOFT noenhanced
TOP = 1 - 88.0 / HEIGHT
set lmargin at screen 0.115
set rmargin at screen 0.97
set tmargin at screen TOP
set bmargin at screen 0.235
