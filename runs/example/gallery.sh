#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes docs/gallery from the example run: every picture as PNG with few
# colours, one of them dark, and the head of the report as a browser shows it.
# Needs gnuplot, ImageMagick and Chromium.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
xltune=${XLTUNE:-$root/build/release/xltune}
gallery=$root/docs/gallery
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp -r "$root/runs/example" "$work/example"
"$xltune" plot --run "$work/example" >/dev/null
mkdir -p "$gallery"
rm -f "$gallery"/*.png
for picture in "$work"/example/*.png; do
    convert "$picture" +dither -colors 64 "PNG8:$gallery/$(basename "$picture")"
done
convert "$work/example/plots/roofline.dark.png" +dither -colors 64 \
    "PNG8:$gallery/roofline.dark.png"
chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
    --user-data-dir="$work/profile" --window-size=1180,1330 \
    --screenshot="$work/report.png" "file://$work/example/report.html" \
    >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
convert "$work/report.png" +dither -colors 64 "PNG8:$gallery/report.png"

{
    cat <<'TEXT'
# Gallery

The pictures that `xltune plot` drew of the [example run](../../runs/example),
at their size. Made by `runs/example/gallery.sh`; the captions are those of the
report. The run was recorded on two quiet cores.

![The head of the report](report.png)

TEXT
    # Fields in quotes of a row: stem, by, axis, title, caption.
    awk -F'"' -v gallery="$gallery" '/^XL_PLOT/ {
        if (system("test -f " gallery "/" $2 ".png") == 0)
            printf "## %s\n\n![%s](%s.png)\n\n%s\n\n", $8, $8, $2, $10
    }' "$root/plots/plot.def"
    cat <<'TEXT'
## Dark

Each picture also comes for dark pages, and both as SVG, in `RUN/plots`.

![Roofline, dark](roofline.dark.png)
TEXT
} >"$gallery/README.md"
du -bc "$gallery"/*.png | tail -n 1
