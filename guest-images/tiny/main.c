/* SPDX-License-Identifier: MIT */
/*
 * What tiny can be told, as words on its command line:
 *
 *   hello                       say so, and what the machine has
 *   echo ip=A                   answer ARP, ping and UDP until q is typed, or
 *                               count=N frames have been answered
 *   ping ip=A to=B count=N      every ping comes back, with what was in it
 *   rr ip=A to=B port=P count=N one UDP datagram there and back at a time
 *   flood ip=A to=B port=P count=N bytes=N pps=N
 *                               UDP, as fast as it goes (pps=0) or slower
 *   sink ip=A count=N           take N UDP datagrams, and answer none
 *   regs                        every register reads as the spec's table says
 *   reset count=N               up and down, N times, with a frame each time
 *   features mask=M             with these of the features only, then a ping
 *   speed                       two million instructions, and the time is yours
 *
 * `hello` takes 17 thousand instructions, power-off included, so it is done in a
 * blink even where KVM emulates each of them (scripts/tiny-instructions counts).
 *
 * ip=A is the first card's address; each further card gets one from the next
 * network up (A.B.C+1.D).  Whoever leads us to FAIL is told why.
 */
#include "tiny.h"

static uint8_t frame[FRAME_MAX];

static const char *need_card(void)
{
	return hw.cards ? NULL : "there is no network card (--tap)";
}

static uint32_t host_of(uint32_t ip)
{
	const char *to = word_text("to=");

	return to ? parse_ip(to) : (ip & 0xffffff) | 1U << 24;
}

/* Card 0, ready, with the address that ip= says. */
static struct card *first_card(uint64_t mask)
{
	const char *why = need_card();

	if (why)
		fail("%s", why);
	card[0].ip = parse_ip(word_text("ip="));
	card_up(&card[0], mask);
	return &card[0];
}

static const char *hello(void)
{
	say("hello: %u CPUs, %u cards\n", hw.listed_cpus, hw.listed_cards);
	return NULL;
}

static const char *echo(void)
{
	uint64_t count = word_number("count=", FOREVER), answered = 0;
	uint32_t ip = parse_ip(word_text("ip="));

	for (unsigned int i = 0; i < hw.cards; i++) {
		card[i].ip = ip + (i << 16);
		card_up(&card[i], word_number("mask=", ~0ULL));
	}
	say("ready\n");
	while (answered < count && key() != 'q') {
		unsigned int seen = events;
		bool any = false;

		for (unsigned int i = 0; i < hw.cards; i++) {
			unsigned int len = card_receive(&card[i], frame);

			any |= len;
			answered += len && net_answer(&card[i], frame, len);
		}
		if (!any)
			wait_event(seen, FOREVER);
	}
	say("answered %lu frames\n", answered);
	return need_card();
}

static const char *ping(void)
{
	struct card *c = first_card(~0ULL);
	unsigned int count = word_number("count=", 5);
	const char *why = net_ping(c, host_of(c->ip), count);

	if (!why)
		say("%u pings answered, %u interrupts\n", count,
		    c->interrupts);
	return why;
}

static void pattern(uint8_t *p, unsigned int bytes, uint64_t n)
{
	for (unsigned int i = 0; i < bytes; i++)
		p[i] = n * 7 + i;
}

/* The answer to datagram @n of @bytes, with just that in it? */
static const char *answer_to(struct card *c, uint16_t port, unsigned int bytes,
			     uint64_t n)
{
	static uint8_t wanted[FRAME_MAX];
	uint64_t deadline = ticks + SECONDS(5);

	pattern(wanted, bytes, n);
	for (;;) {
		unsigned int seen = events, got;
		unsigned int len = card_receive(c, frame);
		uint8_t *data = udp_payload(frame, len, port, &got);

		if (data)
			return got == bytes && !memcmp(data, wanted, bytes) ?
			       NULL : "an answer with other bytes in it";
		if (len)
			net_answer(c, frame, len);
		else if (!wait_event(seen, deadline))
			return "a datagram got no answer";
	}
}

static const char *rr(void)
{
	struct card *c = first_card(word_number("mask=", ~0ULL));
	uint32_t to = host_of(c->ip);
	uint64_t count = word_number("count=", 100);
	unsigned int bytes = word_number("bytes=", 64);
	uint16_t port = word_number("port=", 7);
	uint8_t mac[6];
	const char *why = net_resolve(c, to, mac);

	for (uint64_t n = 0; n < count && !why; n++) {
		unsigned int len = udp_build(c, frame, mac, to, port, bytes);

		pattern(frame + len - bytes, bytes, n);
		if (!card_send(c, frame, len))
			return "no room to send a datagram";
		why = answer_to(c, port, bytes, n);
	}
	if (!why)
		say("%lu round trips, %u interrupts\n", count, c->interrupts);
	return why;
}

static const char *flood(void)
{
	struct card *c = first_card(word_number("mask=", ~0ULL));
	uint32_t to = host_of(c->ip);
	uint64_t count = word_number("count=", 1000), begun;
	uint64_t pps = word_number("pps=", 0);
	unsigned int bytes = word_number("bytes=", 64), len;
	uint8_t mac[6];
	const char *why = net_resolve(c, to, mac);

	if (why)
		return why;
	len = udp_build(c, frame, mac, to, word_number("port=", 9), bytes);
	begun = ticks;
	for (uint64_t n = 0; n < count; n++) {
		while (pps && (ticks - begun) * pps / HZ < n)
			__asm__ volatile("pause");
		while (!card_send(c, frame, len))
			__asm__ volatile("pause");
	}
	/* All are on their way only when all slots have come back. */
	while (c->ring[TX].used->idx != c->ring[TX].next_avail)
		__asm__ volatile("pause");
	say("%lu datagrams of %u bytes sent\n", count, bytes);
	return NULL;
}

static const char *sink(void)
{
	struct card *c = first_card(word_number("mask=", ~0ULL));
	uint64_t count = word_number("count=", 1000), n = 0;
	unsigned int bytes;

	say("ready\n");
	while (n < count && key() != 'q') {
		unsigned int seen = events;
		unsigned int len = card_receive(c, frame);

		if (udp_payload(frame, len, 0, &bytes))
			n++;
		else if (len)
			net_answer(c, frame, len);
		else
			wait_event(seen, FOREVER);
	}
	say("%lu datagrams taken, %u interrupts\n", n, c->interrupts);
	return n == count ? NULL : "stopped before all had come";
}

/*
 * 4.2.2: after a reset these read so, and all else below Config reads 0: what
 * is only written, and what is reserved.
 */
static const struct { uint16_t reg; uint32_t val, mask; } readable[] = {
	{ MAGIC, 0x74726976, ~0U },
	{ VERSION, 2, ~0U },
	{ DEVICE_ID, 1, ~0U },
	{ VENDOR_ID, 0, 0 },			/* anybody's */
	{ DEVICE_FEATURES, 0, 0 },
	{ QUEUE_SIZE_MAX, 0, 0xffff0000 },
	{ QUEUE_READY, 0, ~0U },
	{ INTERRUPT_STATUS, 0, ~0U },
	{ STATUS, 0, ~0U },
	{ 0x0b0, ~0U, ~0U },			/* SHM: none, so all ones */
	{ 0x0b4, ~0U, ~0U },
	{ 0x0b8, ~0U, ~0U },
	{ 0x0bc, ~0U, ~0U },
	{ CONFIG_GENERATION, 0, 0 },
};

static const char *check_register(const struct card *c, uint32_t reg)
{
	uint32_t val = get(c, reg), wanted = 0, mask = ~0U;

	for (unsigned int i = 0; i < sizeof(readable) / sizeof(*readable); i++)
		if (readable[i].reg == reg) {
			wanted = readable[i].val;
			mask = readable[i].mask;
		}
	if ((val & mask) == wanted)
		return NULL;
	say("register %x reads %x, not %x\n", reg, val, wanted);
	return "a register is not as in the spec's table";
}

/* 4.2.2.2: fields of Config may be read in any width, and agree. */
static const char *check_config(const struct card *c, uint32_t at)
{
	uintptr_t p = c->base + at;
	uint32_t word32 = *(volatile uint32_t *)p, halves, bytes = 0;

	halves = *(volatile uint16_t *)p |
		 (uint32_t)*(volatile uint16_t *)(p + 2) << 16;
	for (unsigned int i = 0; i < 4; i++)
		bytes |= (uint32_t)*(volatile uint8_t *)(p + i) << 8 * i;
	if (word32 == halves && word32 == bytes)
		return NULL;
	say("config at %x: %x, %x, %x by width\n", at, word32, halves, bytes);
	return "config space depends on how it is read";
}

static const char *regs(void)
{
	const char *why = need_card();
	unsigned int n = 0;

	for (unsigned int i = 0; i < hw.cards; i++) {
		card_reset(&card[i]);
		for (uint32_t reg = 0; reg < CONFIG && !why; reg += 4, n++)
			why = check_register(&card[i], reg);
		for (uint32_t at = CONFIG; at < 0x200 && !why; at += 4, n++)
			why = check_config(&card[i], at);
	}
	if (!why)
		say("%u registers read\n", n);
	return why;
}

static const char *reset(void)
{
	unsigned int count = word_number("count=", 100);
	struct card *c = first_card(~0ULL);
	const char *why = NULL;

	for (unsigned int i = 0; i < count && !why; i++) {
		card_up(c, ~0ULL);
		why = net_ping(c, host_of(c->ip), 1);
	}
	if (!why)
		say("%u resets\n", count);
	return why;
}

static const char *features(void)
{
	struct card *c = first_card(word_number("mask=", ~0ULL));

	say("offered %lx accepted %lx\n", c->offered, c->accepted);
	return net_ping(c, host_of(c->ip), 3);
}

/* dec and jnz, a million times: how fast does this CPU really go? */
static const char *speed(void)
{
	unsigned int n = 1000000;

	say("speed: begin\n");
	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(n));
	say("speed: end\n");
	return NULL;
}

static const struct { const char *name; const char *(*run)(void); } command[] = {
	{ "hello", hello }, { "echo", echo }, { "ping", ping }, { "rr", rr },
	{ "flood", flood }, { "sink", sink }, { "regs", regs },
	{ "reset", reset }, { "features", features }, { "speed", speed },
};

const char *run(void)
{
	for (unsigned int i = 0; i < sizeof(command) / sizeof(*command); i++)
		if (word(command[i].name))
			return command[i].run();
	return "hello, echo, ping, rr, flood, sink, regs, reset, features or "
	       "speed? (--append)";
}
