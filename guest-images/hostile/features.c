/* SPDX-License-Identifier: MIT */
/*
 * features: the driver accepts what it was not offered, or too late.
 *
 * FEATURES_OK does not stay set for what was never offered, and then there is
 * no DRIVER_OK either; writing features after FEATURES_OK breaks the card.
 *
 * expect late: broken 1 features written after FEATURES_OK
 * expect word-2: broken 1 accepted features that were never offered
 * expect word-~0: broken 1 accepted features that were never offered
 * expect never-offered: broken 7 DRIVER_OK without FEATURES_OK
 */
#include "hostile.h"

static void accept(struct card *c, uint64_t features)
{
	put(c, DRIVER_FEATURES_SEL, 0);
	put(c, DRIVER_FEATURES, features);
	put(c, DRIVER_FEATURES_SEL, 1);
	put(c, DRIVER_FEATURES, features >> 32);
}

static void ask_for(struct card *c, uint64_t features)
{
	card_reset(c);
	card_hello(c);
	accept(c, features);
	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	queue_place(c, RX, 8, 0x200000, 0x210000, 0x220000);
	queue_place(c, TX, 8, 0x200000, 0x210000, 0x220000);
	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/*
 * None; all; two bits that vhost takes to mean something else, F_LOG_ALL and
 * "the header is mine"; one that is offered nowhere; another layout of rings;
 * and segments without checksums.
 */
static void never_offered(struct card *c, uint64_t unused)
{
	(void)unused;
	ask_for(c, 0);
	ask_for(c, ~0ULL);
	ask_for(c, F_VERSION_1 | BIT(26));
	ask_for(c, F_VERSION_1 | BIT(27));
	ask_for(c, F_VERSION_1 | BIT(33));
	ask_for(c, F_VERSION_1 | BIT(34));
	ask_for(c, F_VERSION_1 | BIT(11));
}

static void late(struct card *c, uint64_t features)
{
	card_up(c, ALL_FEATURES);
	put(c, DRIVER_FEATURES_SEL, 0);
	put(c, DRIVER_FEATURES, features);
}

static void beyond(struct card *c, uint64_t sel)
{
	card_hello(c);
	put(c, DRIVER_FEATURES_SEL, sel);
	put(c, DRIVER_FEATURES, 1);
}

const struct misdeed misdeeds[] = {
	{ "never-offered", never_offered, 0 },
	{ "late", late, F_MRG_RXBUF },
	{ "word-2", beyond, 2 }, { "word-~0", beyond, ~0U }, { 0 }
};
