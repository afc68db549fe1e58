/* SPDX-License-Identifier: MIT */
/* What the files of the backends have in common. */
#ifndef CONFORMANCE_BACKENDS_H
#define CONFORMANCE_BACKENDS_H

#include "tests/conformance/rig.h"

void set_backend(struct rig *r, unsigned int index, int fd);
void set_header(int tap, unsigned int bytes);
/* The next frame that the user of tap @fd reads; -1 for none.  @frame has room
 * for PACKET_MAX. */
int read_tap(int fd, unsigned int hdr_len, void *frame, unsigned int ms);

/* In backend-kinds.c. */
void packet_backend(void);		/* B4 */
void macvtap_backend(void);		/* B5 */

#endif
