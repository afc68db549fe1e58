/* SPDX-License-Identifier: MIT */
/*
 * traffic - a measured amount of work for a network card
 *
 * One end runs in the guest, the other on the host; each does a stated amount,
 * checks what arrives, and says what it counted.  It is for tests that ask
 * whether every byte came through, so nothing here measures time.  An end whose
 * other end falls silent gives up once nothing has moved for PATIENCE seconds.
 *
 * Servers first say "listening on PORT", then serve until they are killed.
 * Exit status: 0 all of it arrived; 1 not; 2 usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE	10	/* seconds without progress are a failure */
#define TRY		1	/* seconds until a datagram is taken for lost */

static const char *me;		/* the subcommand, which starts every line */

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	va_list ap;

	printf("%s: ", me);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

#define die(...) do { say(__VA_ARGS__); exit(1); } while (0)

static const char *reason(void)
{
	static char late[48];

	/* What a socket says when SO_RCVTIMEO or SO_SNDTIMEO has passed. */
	if (errno != EAGAIN && errno != EINPROGRESS)
		return strerror(errno);
	snprintf(late, sizeof(late), "no progress for %d s", PATIENCE);
	return late;
}

/* --- Arguments ----------------------------------------------------------- */

static uint64_t number(const char *what, const char *text, uint64_t min,
		       uint64_t max)
{
	char *end;
	uint64_t n, unit = 1;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end == 'K')
		unit = 1024;
	else if (*end == 'M')
		unit = 1024 * 1024;
	if (unit > 1)
		end++;
	if (*text < '0' || *text > '9' || *end || errno ||
	    n > UINT64_MAX / unit || n * unit < min || n * unit > max) {
		fprintf(stderr, "traffic: %s: %s is not from %llu to %llu\n",
			what, text, (unsigned long long)min,
			(unsigned long long)max);
		exit(2);
	}
	return n * unit;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(number("PORT", port, 1, UINT16_MAX)),
	};

	if (host && inet_pton(AF_INET, host, &sin.sin_addr) != 1) {
		fprintf(stderr, "traffic: HOST: %s is not like 10.0.0.2\n",
			host);
		exit(2);
	}
	return sin;
}

/* --- Sockets ------------------------------------------------------------- */

/* Which is SO_RCVTIMEO, or SO_SNDTIMEO: that one is for connect() as well. */
static void patience(int fd, int which, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	if (setsockopt(fd, SOL_SOCKET, which, &tv, sizeof(tv)))
		die("setsockopt: %s", strerror(errno));
}

static int server(int type, const char *port)
{
	struct sockaddr_in sin = address(NULL, port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (type == SOCK_STREAM)	/* for the next one on this port */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 },
			   sizeof(int));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
	    (type == SOCK_STREAM && listen(fd, 16)))
		die("port %s: %s", port, strerror(errno));
	say("listening on %s", port);
	return fd;
}

static int client(int type, const char *host, const char *port)
{
	struct sockaddr_in sin = address(host, port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	patience(fd, SO_SNDTIMEO, PATIENCE);
	patience(fd, SO_RCVTIMEO, type == SOCK_STREAM ? PATIENCE : TRY);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		die("%s port %s: %s", host, port, reason());
	return fd;
}

/* --- The pattern --------------------------------------------------------- */

/*
 * Byte n of a stream is pattern[n % PERIOD].  The period is a prime, so that it
 * is no multiple of a page, a segment or a ring: data that is moved by any of
 * those looks wrong.  CHUNK more bytes stand behind it, so that a chunk can
 * start anywhere and be sent, or compared, in one go.
 */
#define PERIOD	65521
#define CHUNK	65536

static unsigned char pattern[PERIOD + CHUNK];

static void pattern_fill(void)
{
	uint32_t x = 2463534242u;	/* xorshift32 and its own seed */

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		pattern[i] = x >> 24;
	}
	memcpy(pattern + PERIOD, pattern, PERIOD);
	memcpy(pattern + 2 * PERIOD, pattern, CHUNK - PERIOD);
}

/* How many bytes at buf are right for this place in the stream. */
static size_t pattern_match(const unsigned char *buf, size_t len, uint64_t at)
{
	const unsigned char *want = pattern + at % PERIOD;
	size_t good = 0;

	if (!memcmp(buf, want, len))
		return len;
	while (buf[good] == want[good])
		good++;
	return good;
}

/* --- TCP, one way -------------------------------------------------------- */

/* Reads to the end of one connection.  False if that end was not seen. */
static bool sink_stream(int fd, uint64_t *good)
{
	static unsigned char buf[CHUNK];
	bool bad = false;
	ssize_t len;
	size_t match;

	*good = 0;
	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		if (bad)
			continue;	/* the sender still wants to finish */
		match = pattern_match(buf, len, *good);
		*good += match;
		bad = match < (size_t)len;
		if (bad)
			say("BAD at offset %llu: %02x, not %02x",
			    (unsigned long long)*good, buf[match],
			    pattern[*good % PERIOD]);
	}
	if (len < 0)
		say("after %llu bytes: %s", (unsigned long long)*good,
		    reason());
	else if (!bad)
		say("%llu bytes ok", (unsigned long long)*good);
	return len == 0;
}

static int tcp_sink(char *arg[])
{
	int fd, listener = server(SOCK_STREAM, arg[0]);
	uint64_t good, reply;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			die("accept: %s", strerror(errno));
		patience(fd, SO_RCVTIMEO, PATIENCE);
		patience(fd, SO_SNDTIMEO, PATIENCE);
		if (sink_stream(fd, &good)) {
			reply = htobe64(good);
			if (write(fd, &reply, sizeof(reply)) != sizeof(reply))
				say("cannot reply: %s", reason());
		}
		close(fd);
	}
}

static int tcp_send(char *arg[])
{
	uint64_t bytes = number("BYTES", arg[2], 0, INT64_MAX);
	int fd = client(SOCK_STREAM, arg[0], arg[1]);
	uint64_t sent = 0, reply;
	ssize_t len;

	while (sent < bytes) {
		len = bytes - sent < CHUNK ? bytes - sent : CHUNK;
		len = write(fd, pattern + sent % PERIOD, len);
		if (len < 0)
			die("after %llu bytes: %s", (unsigned long long)sent,
			    reason());
		sent += len;
	}
	if (shutdown(fd, SHUT_WR))
		die("shutdown: %s", strerror(errno));
	len = recv(fd, &reply, sizeof(reply), MSG_WAITALL);
	if (len != sizeof(reply))
		die("%llu bytes sent, none confirmed: %s",
		    (unsigned long long)sent,
		    len < 0 ? reason() : "connection closed");
	say("%llu bytes confirmed", (unsigned long long)be64toh(reply));
	return be64toh(reply) != bytes;
}

/* --- UDP, there and back ------------------------------------------------- */

static int udp_echo(char *arg[])
{
	int fd = server(SOCK_DGRAM, arg[0]);
	static char buf[UINT16_MAX];
	struct sockaddr_in from;
	socklen_t from_len;
	ssize_t len;

	for (;;) {
		from_len = sizeof(from);
		len = recvfrom(fd, buf, sizeof(buf), 0,
			       (struct sockaddr *)&from, &from_len);
		if (len < 0 && errno != EINTR)
			die("%s", strerror(errno));
		if (len >= 0 && sendto(fd, buf, len, 0,
				       (struct sockaddr *)&from, from_len) < 0)
			say("cannot reply: %s", strerror(errno));
	}
}

/*
 * One round trip.  The byte tells this reply from a late one to an earlier try;
 * a late one does not prolong the wait by more than a try each.
 */
static bool round_trip(int fd, uint8_t byte)
{
	uint8_t back;

	if (send(fd, &byte, 1, 0) != 1)
		die("%s", reason());
	for (int stale = 0; stale < PATIENCE; stale++) {
		if (recv(fd, &back, 1, 0) != 1) {
			if (errno == EAGAIN)
				return false;
			die("%s", strerror(errno));
		}
		if (back == byte)
			return true;
	}
	return false;
}

static int udp_rr(char *arg[])
{
	uint64_t count = number("COUNT", arg[2], 1, UINT32_MAX);
	int fd = client(SOCK_DGRAM, arg[0], arg[1]);
	uint64_t done, lost = 0;
	int tries;

	for (done = 0; done < count; done++) {
		for (tries = 0; tries < PATIENCE / TRY; tries++) {
			if (round_trip(fd, done))
				break;
			lost++;
		}
		if (tries == PATIENCE / TRY)
			break;
	}
	say("%llu round trips, %llu lost", (unsigned long long)done,
	    (unsigned long long)lost);
	return done != count;
}

/* --- UDP, one way -------------------------------------------------------- */

/*
 * The sender has at most WINDOW datagrams under way.  Twice per window the sink
 * sends back a report of what it has seen, which is leave to send more.  When
 * none comes the sender asks: whatever is missing then is lost, and counted.
 */
struct datagram {
	uint32_t run;		/* tells this run from an older one */
	uint32_t seq;		/* 0, 1, ... or one of: */
#define SEQ_ASK		0xffffffff	/* where are you? */
#define SEQ_END		0xfffffffe	/* that was all; what have you got? */
	uint32_t count;		/* how many this run will send */
	uint16_t window;
	uint16_t size;		/* of all of it */
	unsigned char fill[];	/* the pattern from seq on */
} __attribute__((packed));

struct report {
	uint32_t run;
	uint32_t answers;	/* the seq that this is the answer to */
	uint32_t next;		/* one more than the highest number seen */
	uint32_t received, reordered, duplicate, damaged;
};

#define SIZE_MAX_UDP	65507		/* 65535 less the IP and UDP headers */
#define COUNT_MAX	(100 * 1000 * 1000)

/* No more than this under way, or a stock socket buffer may overflow. */
#define WINDOW_BYTES	(128 * 1024)
#define WINDOW_MAX	64
#define SINK_BUFFER	(4 * 1024 * 1024)

struct sink {
	bool open;		/* a run has begun and has not ended */
	uint32_t count;
	struct report is;	/* in our byte order */
	unsigned char *seen;	/* a bit per datagram */
};

static void report_say(const struct report *r, uint32_t count)
{
	say("%u datagrams, %u lost, %u reordered, %u duplicate, %u damaged",
	    r->received, count - r->received, r->reordered, r->duplicate,
	    r->damaged);
}

/* To the order on the wire, and back. */
static struct report report_swap(struct report r)
{
	return (struct report){
		htonl(r.run), htonl(r.answers), htonl(r.next),
		htonl(r.received), htonl(r.reordered), htonl(r.duplicate),
		htonl(r.damaged),
	};
}

static void sink_begin(struct sink *s, uint32_t run, uint32_t count)
{
	free(s->seen);
	s->seen = calloc(count / 8 + 1, 1);
	if (!s->seen)
		die("%s", strerror(errno));
	s->count = count;
	s->is = (struct report){ .run = run };
	s->open = true;
}

static void sink_end(struct sink *s)
{
	if (s->open)
		report_say(&s->is, s->count);
	s->open = false;
}

static void sink_count(struct sink *s, const struct datagram *d, size_t len)
{
	uint32_t seq = ntohl(d->seq);
	size_t fill = len - sizeof(*d);

	if (seq >= s->count || ntohs(d->size) != len ||
	    pattern_match(d->fill, fill, seq) < fill) {
		s->is.damaged++;
		return;
	}
	if (s->seen[seq / 8] & 1 << seq % 8) {
		s->is.duplicate++;
		return;
	}
	s->seen[seq / 8] |= 1 << seq % 8;
	s->is.received++;
	if (seq < s->is.next)
		s->is.reordered++;
	else
		s->is.next = seq + 1;
}

/* Takes one datagram.  True if its sender is to have a report. */
static bool sink_take(struct sink *s, const struct datagram *d, ssize_t len)
{
	uint32_t seq, step;

	if (len < (ssize_t)sizeof(*d) || ntohl(d->count) > COUNT_MAX)
		return false;		/* none of ours */
	if (ntohl(d->run) != s->is.run || !s->seen) {
		sink_end(s);
		sink_begin(s, ntohl(d->run), ntohl(d->count));
	}
	seq = ntohl(d->seq);
	s->is.answers = seq;
	if (seq == SEQ_END)
		sink_end(s);
	if (seq == SEQ_ASK || seq == SEQ_END)
		return true;
	sink_count(s, d, len);
	step = ntohs(d->window) / 2;
	return step < 2 || seq % step == step - 1;
}

static int udp_sink(char *arg[])
{
	static union {
		struct datagram d;
		unsigned char bytes[UINT16_MAX];
	} buf;
	int fd = server(SOCK_DGRAM, arg[0]);
	struct sink s = { .open = false };
	struct sockaddr_in from;
	struct report r;
	socklen_t from_len;
	ssize_t len;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ SINK_BUFFER },
		   sizeof(int));	/* for large windows, if we may */
	patience(fd, SO_RCVTIMEO, PATIENCE);
	for (;;) {
		from_len = sizeof(from);
		len = recvfrom(fd, &buf, sizeof(buf), 0,
			       (struct sockaddr *)&from, &from_len);
		if (len < 0) {
			if (errno != EAGAIN && errno != EINTR)
				die("%s", strerror(errno));
			if (errno == EAGAIN && s.open) {
				say("the sender fell silent");
				sink_end(&s);
			}
			continue;
		}
		if (!sink_take(&s, &buf.d, len))
			continue;
		r = report_swap(s.is);
		if (sendto(fd, &r, sizeof(r), 0, (struct sockaddr *)&from,
			   from_len) < 0)
			say("cannot reply: %s", strerror(errno));
	}
}

/* Waits for a report on this run.  False if none came in time. */
static bool report_wait(int fd, uint32_t run, struct report *r)
{
	ssize_t len;

	for (;;) {
		len = recv(fd, r, sizeof(*r), 0);
		if (len < 0 && errno == EAGAIN)
			return false;
		if (len < 0)
			die("%s", strerror(errno));
		*r = report_swap(*r);
		if (len == sizeof(*r) && r->run == run)
			return true;
	}
}

static void datagram_send(int fd, struct datagram *d, uint32_t seq, size_t size)
{
	d->seq = htonl(seq);
	if (send(fd, d, size, 0) < 0)
		die("datagram %u: %s", seq, reason());
}

/* Asks until there is an answer to just this question. */
static void report_ask(int fd, struct datagram *d, uint32_t seq,
		       struct report *r)
{
	for (int tries = 0; tries < PATIENCE / TRY; tries++) {
		datagram_send(fd, d, seq, sizeof(*d));
		while (report_wait(fd, ntohl(d->run), r))
			if (r->answers == seq)
				return;
	}
	die("no answer for %d s", PATIENCE);
}

/*
 * Waits until there is leave to send more.  Returns the number of the oldest
 * datagram that may still be under way.
 */
static uint32_t leave_wait(int fd, struct datagram *d, uint32_t sent,
			   struct report *r)
{
	static uint32_t last_next;
	static int stuck;

	if (report_wait(fd, ntohl(d->run), r))
		return r->next;
	report_ask(fd, d, SEQ_ASK, r);
	stuck = r->next == last_next ? stuck + 1 : 0;
	last_next = r->next;
	if (stuck >= PATIENCE / TRY)
		die("only questions get through, after %u datagrams", r->next);
	return sent;		/* what has not arrived by now is lost */
}

static int udp_send(char *arg[])
{
	static union {
		struct datagram d;
		unsigned char bytes[UINT16_MAX];
	} buf;
	uint32_t count = number("COUNT", arg[2], 1, COUNT_MAX);
	size_t size = number("SIZE", arg[3], sizeof(buf.d), SIZE_MAX_UDP);
	uint32_t window = WINDOW_BYTES / size;
	uint32_t leave = 0;	/* all before this one are accounted for */
	struct timespec now;
	struct report r;
	int fd;

	if (window > WINDOW_MAX)
		window = WINDOW_MAX;
	if (arg[4])
		window = number("WINDOW", arg[4], 1, UINT16_MAX);
	fd = client(SOCK_DGRAM, arg[0], arg[1]);

	clock_gettime(CLOCK_REALTIME, &now);
	buf.d.run = htonl(now.tv_nsec ^ now.tv_sec << 16 ^ getpid());
	buf.d.count = htonl(count);
	buf.d.window = htons(window);
	buf.d.size = htons(size);

	for (uint32_t seq = 0; seq < count; seq++) {
		while (seq - leave >= window) {
			uint32_t next = leave_wait(fd, &buf.d, seq, &r);

			if (next > leave)	/* reports may be late, too */
				leave = next;
		}
		memcpy(buf.d.fill, pattern + seq % PERIOD,
		       size - sizeof(buf.d));
		datagram_send(fd, &buf.d, seq, size);
	}

	report_ask(fd, &buf.d, SEQ_ASK, &r);
	if (r.received < count)
		sleep(TRY);		/* for stragglers */
	report_ask(fd, &buf.d, SEQ_END, &r);
	report_say(&r, count);
	return r.received != count || r.damaged;
}

/* --- For the benchmark --------------------------------------------------- */

/*
 * Run one instruction at an address where nobody else has code.  An emulator
 * that watches for it (scripts/bench-plugin.c) begins or ends counting there.
 */
static int mark(char *arg[])
{
	void *here = mmap((void *)0x6d61726b0000, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			  -1, 0);

	(void)arg;
	if (here == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	*(uint8_t *)here = 0xc3;	/* ret */
	if (mprotect(here, 4096, PROT_READ | PROT_EXEC))
		die("mprotect: %s", strerror(errno));
	((void (*)(void))here)();
	return 0;
}

/* ------------------------------------------------------------------------- */

static const struct command {
	const char *name, *usage;
	int min, max;		/* arguments */
	int (*run)(char *arg[]);
} commands[] = {
	{ "udp-echo", "PORT", 1, 1, udp_echo },
	{ "udp-rr", "HOST PORT COUNT", 3, 3, udp_rr },
	{ "tcp-sink", "PORT", 1, 1, tcp_sink },
	{ "tcp-send", "HOST PORT BYTES", 3, 3, tcp_send },
	{ "udp-sink", "PORT", 1, 1, udp_sink },
	{ "udp-send", "HOST PORT COUNT SIZE [WINDOW]", 4, 5, udp_send },
	{ "mark", "", 0, 0, mark },
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

int main(int argc, char *argv[])
{
	const struct command *c;

	signal(SIGPIPE, SIG_IGN);
	pattern_fill();
	for (c = commands; c < commands + NR_COMMANDS; c++)
		if (argc > 1 && !strcmp(argv[1], c->name) &&
		    argc - 2 >= c->min && argc - 2 <= c->max) {
			me = c->name;
			return c->run(argv + 2);
		}
	for (c = commands; c < commands + NR_COMMANDS; c++)
		fprintf(stderr, "%s traffic %s %s\n",
			c == commands ? "usage:" : "      ", c->name, c->usage);
	return 2;
}
