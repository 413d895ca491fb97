# SPDX-License-Identifier: Apache-2.0
# Names and colours of the runs; the colours tell apart with any kind of
# colour vision, after Okabe and Ito.
stats DATA index 0 using (N = $2, X_LO = $3, X_HI = $4, Y_LO = $5, Y_HI = $6, LABEL = strcol(7), 0) nooutput
array NAMES[8]
array HUES[8]
do for [k = 1:8] {
    HUES[k] = word(DARK ? '#56b4e9 #ff8a3d #2fc79a #f0a6d0 #ffc23d #8ab6ff #e4e8eb #9aa6b0' : '#0072b2 #d55e00 #009e73 #cc79a7 #b88600 #56b4e9 #222222 #5f6a73', k)
    NAMES[k] = ''
}
do for [k = 1:N] {
    stats DATA index 1 every ::(k - 1)::(k - 1) using (NAMES[k] = strcol(2), 0) nooutput
}
