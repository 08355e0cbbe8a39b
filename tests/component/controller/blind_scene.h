/* A fabric and two tenants. Everything that is not the one tenant's is named with a word that nothing of his has,
 * stands on VLANs and addresses of its own, and is in his way wherever it can be: VLANs and MACs are taken, pools are
 * empty, hosts are picked, what is his is used by the fabric. */
#pragma once

#include "tests/component/controller/api_client.h"

#define BLIND_WORD     "zq"
#define BLIND_OWN_VLAN "3002"
/* VLANs, the subnet and a provider address of the fabric. */
#define BLIND_NUMBERS                                                                                                  \
    {                                                                                                                  \
        "3000", "3001", BLIND_OWN_VLAN, "3003", "3011", "3012", "3021", "3022", "198.51.100.10", "198.51.100.0/24"     \
    }

struct blind_scene {
    struct api_server *server;
    const char *tenant; /* whose names begin with "own" */
    char bearer[200];   /* header line of the tenant's administrator */
};

/* Built once in a process, in an empty controller. */
const struct blind_scene *blind_scene_build(struct api_server *server);
/* As the controller's administrator. */
void blind_change(const char *collection, const char *id, const char *body);
