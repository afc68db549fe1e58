/* SPDX-License-Identifier: MIT */
/*
 * The steps around a misdeed.  Of two cards one is abused, the other is witness
 * and stays up; then they change places.  What we say on the serial port is for
 * tests/hostile/run.t, which answers with a letter when it has seen enough.
 *
 *   doing NAME N     about to, at any letter; card N is the one abused
 *   did NAME N       done; the witness answers pings, until r
 *   again NAME N     card N has been reset, and answers too, until n
 */
#include "hostile.h"

static uint8_t frame[FRAME_MAX];
static uint8_t area[SCRATCH_BYTES] POOL;

/* Memory that nobody needs. */
uint8_t *scratch(void)
{
	return area;
}

void store(uint64_t addr, unsigned int width, uint64_t val)
{
	switch (width) {
	case 1:
		*(volatile uint8_t *)addr = val;
		break;
	case 2:
		*(volatile uint16_t *)addr = val;
		break;
	case 4:
		*(volatile uint32_t *)addr = val;
		break;
	default:
		*(volatile uint64_t *)addr = val;
	}
}

uint64_t load(uint64_t addr, unsigned int width)
{
	return width == 1 ? *(volatile uint8_t *)addr :
	       width == 2 ? *(volatile uint16_t *)addr :
	       width == 4 ? *(volatile uint32_t *)addr :
			    *(volatile uint64_t *)addr;
}

void linger(unsigned int n)
{
	while (n--)
		__asm__ volatile("pause");
}

static void (*volatile other_work)(void);
static volatile bool other_runs;

static void other(void)
{
	void (*work)(void) = other_work;

	other_runs = true;
	work();
}

/* Have CPU @cpu do @work, and see it begin.  False if it does not. */
bool start_and_wait(unsigned int cpu, void (*work)(void))
{
	uint64_t deadline = ticks + SECONDS(5);

	other_work = work;
	other_runs = false;
	if (!cpu_start(cpu, other))
		return false;
	while (!other_runs && ticks < deadline)
		linger(10);
	return other_runs;
}

/* The @n descriptors of @d from 0 on in the TX ring, and a kick for sure. */
void tx_chain_kick(struct card *c, const struct desc *d, unsigned int n)
{
	struct ring *r = &c->ring[TX];

	for (unsigned int i = 0; i < n; i++) {
		r->desc[i].addr = d[i].addr;
		r->desc[i].len = d[i].len;
		r->desc[i].flags = d[i].flags;
		r->desc[i].next = d[i].next;
	}
	offer(r, 0);
	put(c, QUEUE_NOTIFY, TX);
}

/* Until the device has taken all that is in the TX ring; it must. */
void tx_wait(struct card *c)
{
	const struct ring *r = &c->ring[TX];
	uint64_t deadline = ticks + SECONDS(20);

	while (r->used->idx != r->next_avail && ticks < deadline)
		linger(10);
	if (r->used->idx != r->next_avail)
		fail("card %u does not take a frame", c->index);
}

/* Answer on the cards of @mask until @letter is typed. */
static void serve(unsigned int mask, char letter)
{
	for (;;) {
		unsigned int seen = events;
		bool any = false;

		for (unsigned int i = 0; i < hw.cards; i++) {
			unsigned int len = mask & 1 << i ?
					   card_receive(&card[i], frame) : 0;

			any |= len;
			if (len)
				net_answer(&card[i], frame, len);
		}
		if (any)
			continue;
		if (key() == letter)
			return;
		wait_event(seen, FOREVER);
	}
}

static void step(const struct misdeed *m, unsigned int abused)
{
	struct card *c = &card[abused];

	card_reset(c);
	say("doing %s %u\n", m->name, abused);
	while (wait_key() != 'g')
		;
	m->commit(c, m->arg);
	say("did %s %u\n", m->name, abused);
	serve(~(1U << abused), 'r');

	ioapic_route(hw.card[abused].gsi, VECTOR_GSI(hw.card[abused].gsi));
	card_up(c, ALL_FEATURES);
	say("again %s %u\n", m->name, abused);
	serve(~0U, 'n');
}

/* only=NAME: just that one. */
static bool chosen(const char *name)
{
	const char *only = word_text("only=");
	size_t n = strlen(name);

	return !only || (memcmp(only, name, n) == 0 &&
			 (only[n] == ' ' || !only[n]));
}

const char *run(void)
{
	unsigned int abused = word_number("cards=", hw.cards);

	for (unsigned int i = 0; i < hw.cards; i++) {
		card[i].ip = parse_ip("10.0.0.2") + (i << 16);
		card_up(&card[i], ALL_FEATURES);
	}
	for (unsigned int i = 0; i < abused; i++)
		for (const struct misdeed *m = misdeeds; m->name; m++)
			if (chosen(m->name))
				step(m, i);
	return NULL;
}
