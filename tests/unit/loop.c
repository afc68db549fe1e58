/* SPDX-License-Identifier: MIT */
/*
 * What joins the parts: the main loop, calls that go by way of it, the table of
 * who answers where, and what a thread has used.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "machine/bus.h"
#include "machine/call.h"
#include "machine/loop.h"
#include "machine/thread.h"
#include "tests/unit/check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop loop;

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

static void begin(void)
{
	if (loop_create(&loop, &lock) < 0)
		abort();
}

static void end(void)
{
	close(loop.epoll_fd);
	close(loop.stop_fd);
}

/*
 * ---- the loop ----
 */

static struct {
	unsigned int calls;
	bool locked;			/* each time */
	struct watch *also;		/* to be unwatched */
} seen;

static void on_ready(void *ctx)
{
	struct watch *w = ctx;
	eventfd_t n;

	eventfd_read(w->fd, &n);
	seen.calls++;
	seen.locked &= pthread_mutex_trylock(&lock) == EBUSY;
	if (seen.also)
		loop_unwatch(&loop, seen.also);
	loop_stop(&loop, 40 + seen.calls);
}

static void test_loop(void)
{
	struct watch w = { new_eventfd(), on_ready, &w };
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct watch f = { file, on_ready, &f };

	begin();
	seen.calls = 0;
	seen.locked = true;
	CHECK(loop_watch(&loop, &w, EPOLLIN) == 0, "an eventfd can be watched");
	CHECK(loop_watch(&loop, &w, EPOLLIN) == -EEXIST, "but once");
	CHECK(loop_watch(&loop, &f, EPOLLIN) == -EPERM, "a file can not");
	eventfd_write(w.fd, 1);
	CHECK(loop_run(&loop) == 41, "the loop ends with the status given");
	CHECK(seen.calls == 1 && seen.locked, "its handler had the lock");
	loop_stop(&loop, 7);
	CHECK(loop_run(&loop) == 41, "who says so first is heard");
	end();
	close(file);
	close(w.fd);
}

/* Of two that are ready, the first to run has the other one unwatched. */
static void test_unwatch(void)
{
	struct watch w = { new_eventfd(), on_ready, &w };
	struct watch v = { new_eventfd(), on_ready, &v };

	begin();
	loop_watch(&loop, &w, EPOLLIN);
	loop_watch(&loop, &v, EPOLLIN);
	eventfd_write(w.fd, 1);
	eventfd_write(v.fd, 1);
	seen.calls = 0;
	seen.also = &v;
	loop_run(&loop);
	CHECK(seen.calls == 1, "one event is taken at a time");
	seen.also = NULL;
	end();
	close(w.fd);
	close(v.fd);
}

/*
 * ---- calls ----
 */

static unsigned int delivered;

static void deliver(void *ctx)
{
	(void)ctx;
	delivered++;
}

/* Handle events until nothing has come for @ms. */
static void settle(int ms)
{
	struct epoll_event ev;

	while (epoll_wait(loop.epoll_fd, &ev, 1, ms) == 1) {
		struct watch *w = ev.data.ptr;

		w->ready(w->ctx);
	}
}

static void test_call(void)
{
	int fd = new_eventfd();
	struct call c;

	begin();
	CHECK(call_watch(&c, &loop, fd, 0, deliver, NULL) == 0, "a call");
	delivered = 0;
	eventfd_write(fd, 1);
	eventfd_write(fd, 1);
	settle(0);
	CHECK(delivered == 1, "two before we look are one");
	eventfd_write(fd, 1);
	settle(0);
	CHECK(delivered == 2, "one after that is another");
	eventfd_write(fd, 1);
	c.call.ready(c.call.ctx);
	c.call.ready(c.call.ctx);
	CHECK(delivered == 3, "an event that comes twice is delivered once");
	end();
	close(fd);
}

static void test_delay(void)
{
	int fd = new_eventfd();
	struct call c;

	begin();
	CHECK(call_watch(&c, &loop, fd, 50000, deliver, NULL) == 0,
	      "a call with a delay of 50 ms");
	delivered = 0;
	eventfd_write(fd, 1);
	settle(0);
	CHECK(delivered == 1, "the first is delivered at once");
	eventfd_write(fd, 1);
	eventfd_write(fd, 1);
	settle(0);
	CHECK(delivered == 1, "more in that time are not");
	settle(3000);
	CHECK(delivered == 2, "but together behind it");
	eventfd_write(fd, 1);
	settle(3000);
	CHECK(delivered == 3, "and so on");
	close(c.timer.fd);
	end();
	close(fd);
	CHECK(call_watch(&c, &loop, -1, 0, deliver, NULL) == -EBADF,
	      "what cannot be watched is said");
}

/*
 * ---- the bus ----
 */

static struct {
	unsigned int calls, len;
	uint64_t offset;
	void *ctx;
	bool write;
} asked;

static void answer(void *ctx, uint64_t offset, uint8_t *data, unsigned int len,
		   bool write)
{
	asked.calls++;
	asked.ctx = ctx;
	asked.offset = offset;
	asked.len = len;
	asked.write = write;
	if (!write)
		data[0] = 0x42;
}

static void test_bus(void)
{
	uint8_t a, b, data[4] = { 1, 2, 3, 4 };
	struct bus bus = { 0 };

	bus_add(&bus, 0x100, 0x10, answer, &a);
	bus_add(&bus, 0x110, 0x10, answer, &b);
	bus_io(&bus, 0x10f, data, 4, false);
	CHECK(asked.ctx == &a && asked.offset == 0xf && asked.len == 4 &&
	      !asked.write, "the last byte of the first");
	CHECK(data[0] == 0x42 && data[1] == 0xff, "what is not said is ones");
	bus_io(&bus, 0x110, data, 1, true);
	CHECK(asked.ctx == &b && asked.offset == 0 && asked.write,
	      "the first byte of the second");
	asked.calls = 0;
	bus_io(&bus, 0xff, data, 2, false);
	CHECK(data[0] == 0xff && data[1] == 0xff, "nobody: reads as ones");
	bus_io(&bus, 0x120, data, 4, false);
	bus_io(&bus, ~0ULL, data, 4, true);
	CHECK(asked.calls == 0, "beyond all of them, nobody is asked");
}

/*
 * ---- threads ----
 */

static void test_thread(void)
{
	struct thread_usage before, after, none;
	pid_t tid[4];

	if (access("/proc/self/schedstat", R_OK) < 0) {
		SKIP("no /proc/self/schedstat");
		return;
	}
	CHECK(thread_usage(&before, gettid()), "what we used can be seen");
	for (int i = 0; i < 5; i++)
		usleep(1000);
	CHECK(thread_usage(&after, gettid()) &&
	      after.voluntary >= before.voluntary + 5,
	      "and that we slept five times since");
	CHECK(!thread_usage(&none, 0x7ffffff), "no such thread: nothing");
	CHECK(thread_find_vhost(tid, 4) == 0, "we have no vhost worker");
}

int main(void)
{
	test_loop();
	test_unwatch();
	test_call();
	test_delay();
	test_bus();
	test_thread();
	return done();
}
