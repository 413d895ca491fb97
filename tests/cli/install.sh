#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What cmake --install and the Debian package put where: the program finds its
# model there, pages and completions are in place, the library links and runs
# the example of docs/, and shows nothing but what xlstm.h declares.
. "$(dirname "$0")/lib.sh"

build=$(dirname "$XLTUNE")
demo_ids() {
    "$1" generate --no-best --prompt 'It was' --max-new-tokens 8 --json |
        sed -n 's/.*"ids": *\[\([^]]*\)\].*/\1/p' | tr -d ' '
}
expected=$(demo_ids "$XLTUNE")
what=install
check "the program writes nothing" test -n "$expected"

# -- a prefix -----------------------------------------------------------------

cmake --install "$build" --prefix "$tmp/prefix" >install.log 2>&1
check "$(tail -n 1 install.log)" test $? -eq 0
bin=$tmp/prefix/bin/xltune
share=$tmp/prefix/share
check "another text" test "$(demo_ids "$bin")" = "$expected"
"$bin" inspect --json >inspect.json
check "the demo model is not the installed one" has inspect.json prefix/
for file in man/man1/xltune.1 man/man1/xltune-sweep.1 \
    bash-completion/completions/xltune zsh/vendor-completions/_xltune \
    fish/vendor_completions.d/xltune.fish xltune/models/demo/config.json; do
    check "no share/$file" test -s "$share/$file"
done
check "no README" test -n "$(find "$share/doc" -name README.md)"
"$bin" sweep --model "$tiny" --mode random --trials 2 --repeats 2 --rounds 2 \
    --new 4 --prompt "$(upper_prompt 8)" --tag installed --quiet >out 2>err
check "the sweep: $(tail -n 1 err)" test -s "$(echo runs/*_installed)/best.json"
best=$(echo runs/*_installed)/best.json

# -- the library --------------------------------------------------------------

lib=$(dirname "$(find "$tmp/prefix" -name libxlstm.so)")
PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
nm -D --defined-only "$lib/libxlstm.so" |
    sed -n 's/.* [A-Z] \([a-z_A-Z0-9]*\).*/\1/p' | grep -v '^XLSTM_' |
    sort >shown
sed -n 's/.*\(xlstm_[a-z]*\)(.*/\1/p' "$root/kernel/xlstm.h" | sort -u |
    grep -v -x xlstm_error >declared_and_used
grep -o 'xlstm_[a-z]*;' "$root/kernel/xlstm.map" | tr -d ';' | sort >listed
what=libxlstm
check "shows other symbols than xlstm.map" cmp -s shown listed
check "xlstm.map and xlstm.h differ" cmp -s declared_and_used listed
for kind in shared static; do
    what="example, $kind"
    words=$(pkg-config --cflags --libs xlstm)
    [ $kind = static ] && words="$(pkg-config --cflags xlstm) \
        $lib/libxlstm.a $(pkg-config --static --libs-only-l --libs-only-other \
        xlstm | sed 's/-lxlstm//')"
    # shellcheck disable=SC2086  # flags are words
    cc -std=c11 -Wall -Wextra -Werror "$root/docs/example.c" $words \
        -o "example_$kind" 2>cc.log
    check "$(head -n 1 cc.log)" test -x "example_$kind"
    LD_LIBRARY_PATH=$lib "./example_$kind" "$root/models/demo" 'It was' >out
    printf 'It was' >text
    "$bin" generate --no-best --prompt 'It was' --max-new-tokens 40 \
        --quiet >>text 2>err
    check "another text than generate" cmp -s out text
    LD_LIBRARY_PATH=$lib "./example_$kind" "$tiny" AB "$best" >out
    check "with the profile of a sweep" test -s out
    LD_LIBRARY_PATH=$lib "./example_$kind" nowhere AB >out 2>err
    check "exit code $? of a missing model" test $? -eq 1
    check "its error: $(cat err)" has err "'nowhere"
    echo '{"chunk_sise": 3}' >bad.json
    LD_LIBRARY_PATH=$lib "./example_$kind" "$tiny" AB bad.json >out 2>err
    check "exit code $? of a bad profile" test $? -eq 2
    check "its error: $(cat err)" has err chunk_size
done
echo '#include <xlstm.h>
int main(void) { return (int)xlstm_vocab((struct xlstm *)nullptr) * 0; }' >a.cc
# shellcheck disable=SC2046  # flags are words
check "a C++ compiler refuses the header" \
    c++ -fsyntax-only $(pkg-config --cflags xlstm) a.cc

# -- the package --------------------------------------------------------------

what=package
(cd "$tmp" && cpack --config "$build/CPackConfig.cmake" -B deb >cpack.log 2>&1)
package=$(find deb -maxdepth 1 -name '*.deb')
check "none: $(tail -n 1 cpack.log)" test -f "$package"
dpkg-deb -I "$package" >info
for word in 'Package: xltune' 'Depends: .*libsqlite3-0' 'Depends: .*libgsl' \
    'Depends: .*libopenblas0' \
    'Recommends: gnuplot-nox'; do
    check "no '$word'" grep -q "$word" info
done
dpkg-deb -x "$package" unpacked
check "another text" test "$(demo_ids unpacked/usr/bin/xltune)" = "$expected"
unpacked/usr/bin/xltune inspect --json >inspect.json
check "the demo model is not the package's" has inspect.json unpacked/usr/
check "a path of the build in the program's tables" test -z \
    "$(find unpacked -name '*.pc' -exec grep -l "$build" {} +)"
finish
