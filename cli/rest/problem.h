/* problem+json (RFC 9457) -> struct skr_error: what the controller refused, the way any other mistake is told. */
#pragma once

#include <jansson.h>
#include <skerry/error.h>

/* Fills `error` from the body of an answer with this HTTP status and returns its -errno, as skr_error_set does. The
 * detail becomes "title: detail"; errors[] and the ports of a large removal become fields. `problem` may be NULL or
 * anything: somebody else's proxy may have answered. */
int skr_problem_to_error(long status, const json_t *problem, struct skr_error *error);
