# SPDX-License-Identifier: Apache-2.0
# Sourced by runs/demo.sh and tests/run.sh: installs what is missing, builds.
# POSIX shell. Needs $root, the source tree.

say() { printf '== %s\n' "$*"; }

# Installs the packages of packages.txt, and those given, that are missing.
install_packages() {
    missing=
    for package in $(grep -v '^#' "$root/runs/packages.txt") "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
            grep -q 'install ok installed' || missing="$missing $package"
    done
    if [ -z "$missing" ]; then
        say "all Debian packages are there"
        return
    fi
    command -v apt-get >/dev/null || {
        say "no apt-get here; install what these Debian packages hold:$missing"
        say "then: cmake --preset release && cmake --build --preset release"
        exit 1
    }
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root=sudo
        command -v sudo >/dev/null || {
            say "not root, and no sudo; as root run this, then run again:"
            echo "apt-get install --no-install-recommends$missing"
            exit 1
        }
    fi
    say "installing Debian packages:$missing"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086  # the list is words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends $missing >/dev/null
}

# Builds a preset's targets: build_preset NAME [TARGET...]
build_preset() {
    preset=$1
    shift
    say "building build/$preset"
    (
        cd "$root"
        cmake --preset "$preset" >"build-$preset.log" 2>&1 &&
            cmake --build --preset "$preset" ${1:+--target "$@"} \
                >>"build-$preset.log" 2>&1
    ) || {
        tail -n 40 "$root/build-$preset.log"
        say "the build failed; the whole log is build-$preset.log"
        exit 1
    }
    rm -f "$root/build-$preset.log"
}

# Beside a run, what some of its pictures need and a sweep does not write:
# what the model takes a token, the limits of the machine, and one generation
# by the winner. complete_run XLTUNE MODEL RUN PROMPT_FILE
complete_run() {
    "$1" inspect --model "$2" --json >"$3/model.json"
    "$1" bench --model "$2" --no-best --quiet -p 256 -n 32 --repeats 5 --json \
        >"$3/bench.json"
    "$1" generate --model "$2" --config "$3/best.json" --prompt-file "$4" \
        --max-new-tokens 1000 --stats-log "$3/stats.csv" --stats-every 1 \
        --mem-log "$3/memory.csv" >/dev/null 2>&1
}
