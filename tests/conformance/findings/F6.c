/* SPDX-License-Identifier: MIT */
/*
 * F6: an owner whose worker waits for a page cannot be killed.
 *
 * A frame lies in a page that userfaultfd holds back.  Before 6.4 the worker is
 * a thread of the kernel, to which SIGKILL means nothing: it waits on, and the
 * owner for it, in vhost_net_stop(), where no signal ends that either.
 *
 * Seen on 6.1:
 *
 *	killed, 3 seconds later the owner lives; with the page, it is gone
 *
 * and not on 6.12 and 7.2:
 *
 *	killed, 3 seconds later the owner is gone; with the page, it is gone
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>

#include "tests/conformance/findings/ring.h"

/* Sends a frame of that page, and returns the userfaultfd once it is missed. */
static int stall(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register late = { .range.len = 4096,
					.mode = UFFDIO_REGISTER_MODE_MISSING };
	struct pollfd fault = { .events = POLLIN };
	static struct ring r;

	ring_open(&r, TX);
	must(ring_features(&r, 0), "SET_FEATURES");
	ring_set_memory(&r);
	ring_set(&r, 0);
	must(ring_address(&r, false, 0), "SET_VRING_ADDR");
	must(ring_backend(&r, r.tap), "SET_BACKEND");

	fault.fd = must((int)syscall(SYS_userfaultfd, O_NONBLOCK),
			"userfaultfd");
	must(ioctl(fault.fd, UFFDIO_API, &api), "UFFDIO_API");
	late.range.start = (uintptr_t)r.memory + BUFFERS;
	must(ioctl(fault.fd, UFFDIO_REGISTER, &late), "UFFDIO_REGISTER");
	ring_offer(&r, 0, HEADER + 100);
	ring_kick(&r);
	errno = ETIMEDOUT;
	must(poll(&fault, 1, 2000) == 1 ? 0 : -1, "the worker's page fault");
	return fault.fd;
}

int main(void)
{
	int tell[2], late, uffd, after;
	struct pollfd gone = { .events = POLLIN };
	pid_t owner;

	must(pipe(tell), "pipe");
	owner = must(fork(), "fork");
	if (!owner) {
		late = stall();
		must((int)write(tell[1], &late, sizeof(late)), "write");
		pause();
		_exit(0);
	}
	close(tell[1]);
	if (read(tell[0], &late, sizeof(late)) != sizeof(late))
		return UNTRIED;		/* the owner has said why */

	/* Who else has the userfaultfd can let go in the end. */
	gone.fd = must((int)syscall(SYS_pidfd_open, owner, 0), "pidfd_open");
	uffd = must((int)syscall(SYS_pidfd_getfd, gone.fd, late, 0),
		    "pidfd_getfd");
	must(kill(owner, SIGKILL), "kill");
	late = must(poll(&gone, 1, 3000), "poll") == 0;
	close(uffd);
	after = must(poll(&gone, 1, 3000), "poll") == 0;
	printf("killed, 3 seconds later the owner %s; with the page, it %s\n",
	       late ? "lives" : "is gone", after ? "lives" : "is gone");
	return late ? SEEN : NOT_SEEN;
}
