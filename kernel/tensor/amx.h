/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix tile unit of x86: who may use it, and the state of a thread that
 * does. Eight tiles of 16 rows of 64 bytes:
 *
 *     xl_amx_begin();
 *     ... tile instructions, on this thread ...
 *     xl_amx_end();
 *
 * Tile instructions are written in assembly: gcc 12's intrinsics do not say
 * which memory they read, and lose the stores before them.
 */
#ifndef XL_AMX_H
#define XL_AMX_H

/* NULL when bf16 tiles can be used; else why not. Asks the system for them. */
const char *xl_amx_why_not(void);

void xl_amx_begin(void);

/* The system need not save tiles that are at rest. */
void xl_amx_end(void);

#endif
