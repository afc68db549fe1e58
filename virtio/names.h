/* SPDX-License-Identifier: MIT */
/*
 * What the numbers of a virtio network card are called, for the transcript
 * (machine/trace.h).  Each function adds to @t and returns its text.
 */
#ifndef VIRTIO_NAMES_H
#define VIRTIO_NAMES_H

#include "machine/trace.h"
#include "virtio/mmio.h"

const char *names_features(struct text *t, uint64_t features);
int names_feature_bit(const char *name);
const char *names_status(struct text *t, uint32_t status);
const char *names_write(struct text *t, const struct mmio *m, uint32_t offset,
			uint32_t val);

#endif
