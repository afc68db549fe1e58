/* SPDX-License-Identifier: MIT */
/*
 * Hostile guests: each file here does one thing that a driver must not do, in
 * one or more ways.  steps.c leads them through it; tests/hostile/run.t watches
 * from outside and has the verdict, because no guest's own word counts.
 *
 * What must hold afterwards is in each file's head, for people, and then in
 * lines for run.t, NAME being a row of misdeeds[], or * for all others:
 *
 *   expect NAME: broken N TEXT    the card was found broken N times, TEXT (a
 *                                 pattern) why.  For what two sides race for,
 *                                 N is "some", at least once, or "any", which
 *                                 may be never; each time for one of the
 *                                 reasons that TEXT allows
 *   expect NAME: end STATUS TEXT  the launcher ends so, TEXT on standard error
 *   expect NAME: spins            as broken 0, and how busy vhost's worker is
 *                                 goes into the log: a known flaw of kernels
 *   expect NAME: hang             the guest hangs, and SIGTERM ends it
 *   run: OPTIONS                  of the launcher's, for this file
 *   cards: N                      so many are abused in turn, if not both: what
 *                                 has nothing to do with cards is done once
 *   traffic: in                   frames for the abused card come in all the while
 *   strict: NAME                  that row once more, with all of it, with
 *                                 --registers trap --irq relay
 *
 * "expect NAME vhost:" or "user:" is for that backend only.  Unless the VM ends:
 * the launcher lives, the other card answers pings, and after a reset so does
 * the card that was abused.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "../tiny/tiny.h"

struct misdeed {
	const char *name;		/* NULL after the last */
	/* @c has been reset, unless it says otherwise. */
	void (*commit)(struct card *c, uint64_t arg);
	uint64_t arg;
};

extern const struct misdeed misdeeds[];

/* Ring misdeeds: @c up and running, with what it offers. */
#define ALL_FEATURES	(~0ULL)

/* ---- steps.c ---- */

void store(uint64_t addr, unsigned int width, uint64_t val);
uint64_t load(uint64_t addr, unsigned int width);
void tx_chain_kick(struct card *c, const struct desc *d, unsigned int n);
void tx_wait(struct card *c);
uint8_t *scratch(void);
void linger(unsigned int n);
bool start_and_wait(unsigned int cpu, void (*work)(void));

#define SCRATCH_BYTES	(256 * 1024)

#endif
