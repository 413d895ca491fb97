/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights changed on purpose: where self-tests plant a fault in a model that
 * they opened for it, to see whether the fault is found.
 */
#ifndef XL_FAULT_H
#define XL_FAULT_H

#include <stdbool.h>

#include "kernel/model/model.h"
#include "kernel/model/plan.h"

/* The weights of an xlstm, to be pointed elsewhere before the first plan of
 * the model is made; what they point to then outlives the model. NULL for a
 * block stack. */
struct xl_weights *xl_fault_weights(struct xl_model *model);

/* Multiplies the scales of a block's packed integer weights, for this plan and
 * every other of its model that reads the same form; the plan outlives their
 * use. false when there are none. */
bool xl_fault_scales(struct xl_plan *plan, size_t block, float factor);

#endif
