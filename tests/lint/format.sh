#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every C file is laid out as .clang-format says. Versions differ in details,
# so it asks for the one that Debian 12 has.
set -eu
cd "$(dirname "$0")/../.."

command -v clang-format-14 >/dev/null || {
    echo "format: install the package clang-format-14"
    exit 1
}
files() { find docs kernel judge plots tuner tests -name '*.[ch]' "$@"; }
[ "$(files | wc -l)" -gt 100 ]
files -exec clang-format-14 --dry-run -Werror {} +
