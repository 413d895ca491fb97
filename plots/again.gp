unset multiplot
unset output
if (PASS < 4) PASS = PASS + 1; reset; load 'plots/'.STEM.'.gp'
