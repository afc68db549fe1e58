/* SPDX-License-Identifier: MIT */
/* Group I is in two files, iotlb.c and iotlb-traffic.c. */
#ifndef CONFORMANCE_IOTLB_H
#define CONFORMANCE_IOTLB_H

#define PATIENCE	5000	/* ms until something will never come */
#define MODERN		FEATURE(VIRTIO_F_VERSION_1)

void read_only(void);		/* I3 */
void in_pieces(void);		/* I6 */
void many_updates(void);	/* I9 */
void toggled_platform(void);	/* I10 */
void moved_ring(void);		/* I11 */
void invalidated(void);		/* I12 */
void woken_reader(void);	/* I13 */

#endif
