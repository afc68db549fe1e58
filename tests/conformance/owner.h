/* SPDX-License-Identifier: MIT */
/*
 * A rig whose vhost belongs to another process, and load for any rig.
 *
 * A vhost works in the address space of whoever called SET_OWNER.  To see what
 * becomes of it when that process is stopped, throttled or killed, somebody
 * else has to drive the rings meanwhile.  So the guest's memory is shared, and
 * a child of ours owns the vhost, sets it up and then does nothing:
 *
 *	scenario			owner
 *	rig_prepare(&r, ...)
 *	owner_start(&r) ------------->	SET_OWNER, rig_start()
 *	load_start(&load, &r)		pause()
 *	kill(owner, ...)
 *
 * Both have all descriptors, so each can close its own.
 */
#ifndef CONFORMANCE_OWNER_H
#define CONFORMANCE_OWNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/conformance/clock.h"
#include "tests/conformance/rig.h"

/* No step of a scenario here may take longer than this. */
#define BOUND_MS	5000U

/* Does @cond become true within @ms?  It is looked at once at least. */
#define WITHIN(ms, cond) __extension__ ({				\
	uint64_t until_ = clock_ns() + (ms) * 1000000ULL;		\
	bool is_;							\
									\
	while (!(is_ = (cond)) && clock_ns() < until_)			\
		usleep(1000);						\
	is_;								\
})

/* ---- Owners ---- */

/* Guest memory is shared with whatever is forked later; it is zero again. */
void share_memory(struct rig *r);

/*
 * Fork an owner for @r, which was prepared, and wait until it has started it.
 * @then runs in it first, if not NULL.  It ends with us, and by exit() if it
 * gets SIGUSR1.
 */
pid_t owner_start(struct rig *r, void (*then)(void));

/* Wait until child @pid has ended; false after BOUND_MS. */
bool owner_ended(pid_t pid, int *status);

/* ---- Workers ---- */

/* Is it a thread of its owner (Linux 6.4), not one of the kernel? */
bool worker_is_task(pid_t worker, pid_t owner);
/* Number @field (as "Tgid:") of /proc/@pid/status, or -1. */
long status_number(pid_t pid, const char *field);
/* The letter of its state, '-' if it is not there. */
char thread_state(pid_t tid);
bool thread_exists(pid_t tid);

/* ---- Load ---- */

/*
 * A thread of the caller's that keeps both rings of a rig full and its wire
 * busy, whatever becomes of vhost and tap meanwhile.
 */
struct load {
	struct rig *r;
	pthread_t thread;
	atomic_bool stop;
	atomic_ulong sent, received;	/* used buffers, of TX and of RX */
	uint8_t frame[600];		/* what the wire sends */
};

/* Returns once frames go both ways. */
void load_start(struct load *l, struct rig *r);
/* Wait until both ways have moved since; false after @ms. */
bool load_moves(struct load *l, unsigned int ms);
void load_stop(struct load *l);
/* Lose what is left in the tap and on the wire.  No backend may be set. */
void drain(struct rig *r);

#endif
