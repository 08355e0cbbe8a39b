/* A world whose every write a policy compiles, without agents: what it holds for each host, and that a restart would
 * come to the same. Open and fill the world first. */
#pragma once

#include "controller/policy/graph.h"
#include "tests/support/controller/world.h"

struct compiled {
    struct world world;
    struct skr_policy *policy;
    struct skr_realization_table *table;
};

void compiled_begin(struct compiled *compiled);
void compiled_end(struct compiled *compiled); /* closes the world too */
/* The scope that is compiled for the host by now. */
const struct scope *compiled_scope(struct compiled *compiled, const char *host);
/* The port of an adapter there; unpacked, the caller frees it. */
Skerry__V1__Port *compiled_port(struct compiled *compiled, const char *host, const char *adapter);
/* A policy that reads the database anew holds the same. */
void compiled_expect_recompute(struct compiled *compiled);
/* Lets held profiles through, as :remediate of the host does. */
void compiled_remediate(struct compiled *compiled, const char *host);
