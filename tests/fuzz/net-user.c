/* SPDX-License-Identifier: MIT */
/*
 * The user-space backend between a ring that holds anything and a tap that does
 * anything, with events in any order and, if the input wants it, another CPU
 * that rewrites the memory.  What the tap is handed lies in RAM, or in the
 * spill; the window's sums are right; a broken ring is said once and stops it.
 *
 * Input: log2 of the rings' size, choices, the steps' number, then steps of 4
 * bytes (what, argument, length (2)), then what is in memory.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "virtio/net-user.h"

#define RAM		(1ULL << 20)
#define RING_STEP	0x1000
#define AVAIL		0x0800
#define USED		0x0a00
#define FILLED		(3 * RING_STEP)	/* the rings, and a page behind them */
#define LOG_NUM_MAX	6

enum { CHOICE_MRG = 1, CHOICE_INDIRECT = 2, CHOICE_EVENT_IDX = 4,
       CHOICE_MOTION = 8 };

enum {	/* steps */
	RX_KICK, TX_KICK, TAP_IN, TAP_OUT, STOP, START, FRAME_LENGTH,
	TAP_ERROR, AVAIL_MOVES, STEPS,
};

static struct memory mem;
static uint8_t *ram;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop loop;
static struct tap tap = { .fd = -1 };
static int kick_fd[NET_RINGS], call_fd[NET_RINGS];
static struct net_user card;
static struct net_ring ring[NET_RINGS];
static uint64_t features;

static unsigned int failures;
static size_t frame_length;		/* of what the tap has next; 0: none */
static int tap_error;			/* errno for all it is asked, or 0 */

/*
 * ---- the tap ----
 */

int ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	(void)request;
	return 0;
}

static bool in_ram(const struct iovec *v)
{
	uint64_t at = (uint8_t *)v->iov_base - ram;

	return at < RAM && v->iov_len <= RAM - at;
}

/* From the guest: reading all of it lets ASan and the guard pages speak. */
ssize_t writev(int fd, const struct iovec *iov, int n)
{
	volatile uint8_t sink;
	ssize_t total = 0;

	MUST(fd == tap.fd && n >= 0 && n <= 1024);
	for (int i = 0; i < n; i++) {
		MUST(in_ram(&iov[i]));
		sink = *(uint8_t *)iov[i].iov_base;
		total += iov[i].iov_len;
	}
	(void)sink;
	if (!tap_error)
		return total;
	errno = tap_error;
	return -1;
}

/* To the guest: the frame overwrites whatever is there, rings as well. */
ssize_t readv(int fd, const struct iovec *iov, int n)
{
	size_t left = frame_length;

	MUST(fd == tap.fd && n >= 1 && n <= 1024);
	for (int i = 0; i < n - 1; i++)
		MUST(in_ram(&iov[i]));
	MUST(iov[n - 1].iov_base == card.spill &&
	     iov[n - 1].iov_len == NET_USER_FRAME_MAX);
	errno = tap_error ? tap_error : EAGAIN;
	if (tap_error || !frame_length)
		return -1;
	for (int i = 0; i < n && left; i++) {
		size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;

		memset(iov[i].iov_base, i, len);
		left -= len;
	}
	MUST(left == 0);
	/* A different one each time, and at last there is none. */
	left = frame_length;
	frame_length = frame_length / 2;
	return left;
}

/*
 * ---- the card around it ----
 */

static void check_card(void)
{
	const struct rx_window *w = &card.window;
	uint64_t bytes = 0;
	unsigned int iovs = 0;

	MUST(w->first <= w->end && w->end <= QUEUE_CHAIN_MAX);
	for (unsigned int i = w->first; i < w->end; i++) {
		bytes += w->chain[i].bytes;
		iovs += w->chain[i].iovs;
	}
	MUST(bytes == w->bytes && iovs == w->end_iov - w->first_iov);
	MUST(w->end_iov <= QUEUE_CHAIN_MAX);
	for (unsigned int i = w->first_iov; i < w->end_iov; i++)
		MUST(in_ram(&w->iov[i]));
	MUST(card.placed <= card.frame || !card.frame);
	MUST(card.frame <= NET_USER_FRAME_MAX);
}

static void on_failed(void *ctx, unsigned int index, const char *why)
{
	MUST(ctx == &card && index < NET_RINGS && card.running);
	MUST(why || tap_error == EBADFD);
	failures++;
	card.backend.ops->stop(&card.backend, ring);	/* as the card does */
	MUST(!card.running);
}

static void start(void)
{
	if (!card.running)
		MUST(card.backend.ops->start(&card.backend, ring,
					     features) == 0);
}

static void stop(void)
{
	if (card.running)
		card.backend.ops->stop(&card.backend, ring);
}

/* An event comes when it likes: the loop may have had it in hand. */
static void step(unsigned int what, uint8_t arg, uint16_t length)
{
	static const int error[] = { 0, EAGAIN, EBADFD, EINVAL, EIO, ENOMEM };
	struct vring_avail *avail = (void *)(ram + AVAIL +
					     arg % 2 * RING_STEP);

	switch (what) {
	case RX_KICK:
		eventfd_write(kick_fd[NET_RX], 1);
		card.kick[NET_RX].ready(&card);
		break;
	case TX_KICK:
		eventfd_write(kick_fd[NET_TX], 1);
		card.kick[NET_TX].ready(&card);
		break;
	case TAP_IN:	   card.tap_in.ready(&card);	break;
	case TAP_OUT:	   card.tap_out.ready(&card);	break;
	case STOP:	   stop();			break;
	case START:	   start();			break;
	case FRAME_LENGTH:
		frame_length = length + 11 * arg;
		if (frame_length > NET_USER_FRAME_MAX)
			frame_length = NET_USER_FRAME_MAX;
		break;
	case TAP_ERROR:	   tap_error = error[arg % 6];	break;
	case AVAIL_MOVES:  avail->idx += length % 64;	break;
	}
}

/*
 * ---- another CPU ----
 */

static struct {
	sem_t go, done;
	bool stop;
	uint64_t seed;
} other;

static void *rewrite(void *unused)
{
	for (;;) {
		uint64_t r;

		sem_wait(&other.go);
		r = other.seed | 1;
		while (!__atomic_load_n(&other.stop, __ATOMIC_RELAXED)) {
			volatile uint64_t *at;

			r ^= r << 13;
			r ^= r >> 7;
			r ^= r << 17;
			at = (volatile uint64_t *)(ram + r % FILLED / 8 * 8);
			*at = r >> 32 & 1 ? *at ^ (1ULL << (r >> 40 & 63)) :
			      *(volatile uint64_t *)
				(ram + (r >> 20) % FILLED / 8 * 8);
		}
		sem_post(&other.done);
	}
	return unused;
}

static void motion(bool on)
{
	__atomic_store_n(&other.stop, !on, __ATOMIC_RELAXED);
	if (on)
		sem_post(&other.go);
	else
		sem_wait(&other.done);
}

static void create(void)
{
	pthread_t thread;
	int pipe_fd[2];

	MUST(memory_create(&mem, RAM) == 0 && loop_create(&loop, &lock) == 0);
	ram = mem.region[0].hva;
	MUST(pipe(pipe_fd) == 0);
	tap.fd = pipe_fd[0];			/* something that epoll takes */
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		kick_fd[i] = new_eventfd();
		call_fd[i] = new_eventfd();
	}
	MUST(net_user_create(&card, &loop, &tap, &mem, kick_fd, call_fd) == 0);
	card.failed = on_failed;
	card.ctx = &card;
	MUST(sem_init(&other.go, 0, 0) == 0);
	MUST(sem_init(&other.done, 0, 0) == 0);
	MUST(pthread_create(&thread, NULL, rewrite, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size }, steps;
	uint16_t num = 1 << take(&in, 1) % (LOG_NUM_MAX + 1);
	unsigned int choices = take(&in, 1), nr_steps = take(&in, 1);

	if (!ram)
		create();
	steps = in;
	for (unsigned int i = 0; i < nr_steps; i++)
		take(&in, 4);
	take_bytes(&in, ram, FILLED);
	for (unsigned int i = 0; i < NET_RINGS; i++)
		ring[i] = (struct net_ring) {
			.desc = ram + i * RING_STEP, .num = num,
			.avail = ram + i * RING_STEP + AVAIL,
			.used = ram + i * RING_STEP + USED,
		};
	features = (choices & CHOICE_MRG ? 1ULL << 15 : 0) |
		   (choices & CHOICE_INDIRECT ? 1ULL << 28 : 0) |
		   (choices & CHOICE_EVENT_IDX ? 1ULL << 29 : 0) | 1ULL << 32;
	frame_length = 0;
	tap_error = 0;
	failures = 0;
	other.seed = size * 0x9e3779b97f4a7c15ULL ^ take(&in, 8) ^ choices;

	start();
	if (choices & CHOICE_MOTION)
		motion(true);
	while (nr_steps--) {
		unsigned int what = take(&steps, 1) % STEPS;
		unsigned int arg = take(&steps, 1);
		unsigned int before = failures;

		step(what, arg, take(&steps, 2));
		MUST(failures <= before + 1);
		check_card();
	}
	if (choices & CHOICE_MOTION)
		motion(false);
	stop();
	signals(call_fd[NET_RX]);
	signals(call_fd[NET_TX]);
	return 0;
}
