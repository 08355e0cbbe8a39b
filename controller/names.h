/* The names this machine is reached by, for certificates and for what agents and people are told. */
#pragma once

#include <skerry/error.h>
#include <stddef.h>

#define SKR_NAMES_MAX 48
struct skr_names {
    char *names[SKR_NAMES_MAX];
    size_t count;
};

/* localhost, the host's name, the addresses of its interfaces, and the hosts of the "host:port" texts given (NULL and
 * wildcards are left out). */
void skr_names_collect(struct skr_names *names, const char *const *endpoints, size_t count);
void skr_names_done(struct skr_names *names);
/* "host:port" to tell others for a listening endpoint: itself, or for a wildcard the first address of this machine that
 * others can reach. Owned by the caller. */
char *skr_names_reachable(const char *listen, unsigned port);
