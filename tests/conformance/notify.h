/* SPDX-License-Identifier: MIT */
/*
 * R7 to R10, which are about who wakes whom; the table is in rings.c.
 */
#ifndef CONFORMANCE_NOTIFY_H
#define CONFORMANCE_NOTIFY_H

void kicks_wanted(void);
void calls_wanted(void);
void late_kicks(void);
void call_changes(void);

#endif
