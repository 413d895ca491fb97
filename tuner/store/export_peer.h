/* SPDX-License-Identifier: Apache-2.0
 *
 * A store in the formats of other tuners, so that their tools read our runs.
 *
 * Kernel Tuner's cache file (JSON): tune_params_keys, tune_params with the
 * values that occur, and `cache`, an entry for each ended trial, keyed by its
 * values in order, joined by commas. `objective` names the sweep's objective;
 * beside it stand prefill_tok_s, decode_tok_s and `time`, prefill and decode
 * together in milliseconds, with all `times`. A failed trial holds
 * "RuntimeFailedConfig", a refused one "InvalidConfig" for the objective.
 *
 * T4 (TuningSchema, results-schema.json 1.0.0): one result for each ended
 * trial with configuration, invalidity, correctness, measurements and the
 * names of the objectives among them.
 */
#ifndef XL_EXPORT_PEER_H
#define XL_EXPORT_PEER_H

#include "kernel/base/buf.h"
#include "tuner/store/store.h"

/* Append the whole text. */
enum xl_status xl_export_kernel_tuner(struct xl_store *store,
                                      struct xl_buf *out, struct xl_err *err);
enum xl_status xl_export_t4(struct xl_store *store, struct xl_buf *out,
                            struct xl_err *err);

#endif
