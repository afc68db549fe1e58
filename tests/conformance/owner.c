/* SPDX-License-Identifier: MIT */
/*
 * Owners, their workers, and load.  See owner.h for what they are for.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/conformance/owner.h"

/*
 * ---- owners ----
 */

/*
 * memory_create() gives private memory, and none of it to children: right for
 * a guest's, and the opposite of what an owner apart needs.  So its pages are
 * replaced where they are, before vhost knows them.
 */
void share_memory(struct rig *r)
{
	for (unsigned int i = 0; i < r->mem.nr; i++) {
		struct memory_region *m = &r->mem.region[i];
		void *at = mmap(m->hva, m->size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		REQUIRE(at == m->hva, "mmap: %s", strerror(errno));
	}
}

static void leave(int sig)
{
	(void)sig;
	_exit(0);
}

__attribute__((noreturn)) static void owner(struct rig *r, int ready,
					    void (*then)(void))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, leave);
	signal(SIGABRT, SIG_DFL);
	if (then)
		then();
	rig_own(r);
	rig_start(r);
	REQUIRE(write(ready, "", 1) == 1, "a pipe: %s", strerror(errno));
	close(ready);
	for (;;)
		pause();
}

pid_t owner_start(struct rig *r, void (*then)(void))
{
	int ready[2];
	pid_t pid;
	char c;

	REQUIRE(pipe2(ready, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0)
		owner(r, ready[1], then);
	close(ready[1]);
	REQUIRE(wait_readable(ready[0], BOUND_MS) && read(ready[0], &c, 1) == 1,
		"the owner did not start its rig");
	close(ready[0]);
	r->worker = worker_of(pid);
	REQUIRE(r->worker > 0, "the owner has no worker");
	return pid;
}

bool owner_ended(pid_t pid, int *status)
{
	return WITHIN(BOUND_MS, waitpid(pid, status, WNOHANG) == pid);
}

/*
 * ---- workers ----
 */

/* The first line of a file of /proc/@pid, without its end. */
static bool proc_line(pid_t pid, const char *file, char *line, size_t size)
{
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(line, (int)size, f);
	fclose(f);
	line[ok ? strcspn(line, "\n") : 0] = '\0';
	return ok;
}

long status_number(pid_t pid, const char *field)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, field, strlen(field)) == 0)
			value = atol(line + strlen(field));
	if (f)
		fclose(f);
	return value;
}

bool worker_is_task(pid_t worker, pid_t pid)
{
	return status_number(worker, "Tgid:") == pid;
}

char thread_state(pid_t tid)
{
	char line[512], *end;

	if (!proc_line(tid, "stat", line, sizeof(line)))
		return '-';
	end = strrchr(line, ')');	/* its name may have one too */
	return end && end[1] ? end[2] : '-';
}

bool thread_exists(pid_t tid)
{
	return thread_state(tid) != '-';
}

/*
 * ---- load ----
 */

/* Not all of a ring: a full one would leave nothing to offer in each turn. */
static bool has_room(const struct ring *ring)
{
	return (uint16_t)(ring->next_avail - ring->last_used) <
	       ring->v.num / 2;
}

#define LOAD_FRAME 600U

/* Written once: to write frames would take longer than vhost has with them. */
static void fill_buffers(struct rig *r)
{
	for (unsigned int i = 0; i < r->ring[TX].v.num; i++) {
		uint8_t *p = rig_ptr(r, rig_buffer(r, TX, i));

		memset(p, 0, r->hdr_len);
		frame_fill(p + r->hdr_len, LOAD_FRAME, i);
	}
}

static void offer_tx(struct rig *r)
{
	struct ring *ring = &r->ring[TX];
	unsigned int desc = ring->next_avail & (ring->v.num - 1);

	ring_desc(ring, desc, rig_buffer(r, TX, desc), r->hdr_len + LOAD_FRAME,
		  0, 0);
	ring_offer(ring, desc);
}

/*
 * What is sent here is not looked at, and may fail: the tap may be down, or
 * gone.  Scenarios that check data do it themselves, one frame at a time.
 */
static void load_turn(struct load *l)
{
	struct rig *r = l->r;
	uint32_t id, len;
	char seen[1];

	for (unsigned int i = 0; i < 16; i++) {
		if (has_room(&r->ring[TX]))
			offer_tx(r);
		if (has_room(&r->ring[RX]))
			rig_offer_rx(r, 2048);
		send(r->wire, l->frame, sizeof(l->frame), MSG_DONTWAIT);
	}
	ring_kick(&r->ring[TX]);
	ring_kick(&r->ring[RX]);
	while (ring_pop(&r->ring[TX], &id, &len))
		atomic_fetch_add(&l->sent, 1);
	while (ring_pop(&r->ring[RX], &id, &len))
		atomic_fetch_add(&l->received, 1);
	while (recv(r->wire, seen, sizeof(seen), MSG_DONTWAIT) > 0)
		;
}

static void *load_run(void *arg)
{
	struct load *l = arg;

	while (!atomic_load(&l->stop))
		load_turn(l);
	return NULL;
}

void load_start(struct load *l, struct rig *r)
{
	int err;

	l->r = r;
	fill_buffers(r);
	frame_fill(l->frame, sizeof(l->frame), 0);
	atomic_store(&l->stop, false);
	atomic_store(&l->sent, 0);
	atomic_store(&l->received, 0);
	err = pthread_create(&l->thread, NULL, load_run, l);
	REQUIRE(!err, "pthread_create: %s", strerror(err));
	REQUIRE(load_moves(l, BOUND_MS), "no frames both ways: %lu and %lu",
		atomic_load(&l->sent), atomic_load(&l->received));
}

bool load_moves(struct load *l, unsigned int ms)
{
	unsigned long sent = atomic_load(&l->sent);
	unsigned long received = atomic_load(&l->received);

	return WITHIN(ms, atomic_load(&l->sent) > sent + 64 &&
			  atomic_load(&l->received) > received + 64);
}

void load_stop(struct load *l)
{
	atomic_store(&l->stop, true);
	pthread_join(l->thread, NULL);
}

void drain(struct rig *r)
{
	static uint8_t frame[1 << 17];

	while (read(r->tap, frame, sizeof(frame)) > 0)
		;
	while (recv(r->wire, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		;
}
