# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=schema.sql -DOUT=schema.c -DNAME=xl_store_schema -P embed.cmake:
# a text file as a C string, written as numbers because C promises string
# literals of 4095 characters only.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" lines ${bytes})
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," numbers "${lines}")
file(WRITE ${OUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = {\n${numbers}0\n};\n")
