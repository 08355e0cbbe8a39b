/* The agent reports the objects that this host holds when the controller's database was set back, so that an
 * administrator sees which of them the database lacks before he goes on with it. */
#pragma once

#include "agent/desired/desired.h"

/* A Report of its own, within one frame; of more than that many objects, or bytes of them, the ports come first. Freed
 * with skr_envelope_free. */
#define SKR_HELD_MAX       4096
#define SKR_HELD_BYTES_MAX (768UL * 1024)
Skerry__V1__Envelope *skr_held_report(const struct skr_desired *desired);
