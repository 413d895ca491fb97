# SPDX-License-Identifier: Apache-2.0
# xl_flags: what every target of the project compiles with.
add_library(xl_flags INTERFACE)
target_include_directories(xl_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(xl_flags INTERFACE _POSIX_C_SOURCE=200809L)
target_compile_options(xl_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual
  -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wdouble-promotion
  -Wfloat-conversion -Wnull-dereference -fno-common -ffp-contract=off)
if(XL_WERROR)
  target_compile_options(xl_flags INTERFACE -Werror)
endif()
if(XL_SANITIZE)
  target_compile_options(xl_flags INTERFACE -fsanitize=${XL_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(xl_flags INTERFACE -fsanitize=${XL_SANITIZE})
endif()

# xl_variant(target file.c flags...): one file with flags of its own.
function(xl_variant target file)
  target_sources(${target} PRIVATE ${file})
  set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${ARGN}")
endfunction()
