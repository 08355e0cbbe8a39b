/* Two hypervisor hosts on one wire with guests, each a network namespace, and the real fast path on both.
 *
 *   a 10.0.0.5 --+                                        +-- b 10.0.0.6    subnet 5001 (10.0.0.0/24, gateway .1)
 *   c 10.0.0.7 --+-- h1 192.168.1.10 ---- 192.168.1.20 h2 +-- d 10.0.1.6    subnet 5002 (10.0.1.0/24, gateway .1)
 *
 * Everything lives in namespaces of the calling process and vanishes with it. Guests have MTU 1458. */
#pragma once

#include "agent/fastpath/fastpath.h"
#include "tests/support/agent/programs.h"

#define TWO_HOSTS_GUESTS 4

struct two_hosts_options {
    bool vxlan;
    bool peer;         /* bpf_redirect_peer to guests */
    bool no_neighbors; /* the kernel resolves next hops */
    uint32_t vlan;     /* of the provider addresses */
    const char *object_path;
};

struct two_hosts {
    struct skr_fastpath *hosts[2];
    char directory[64];
};

struct two_hosts_guest {
    const char *name;
    unsigned host;
    uint32_t vsid, ip;
    uint8_t mac[6];
};
extern const struct two_hosts_guest two_hosts_guests[TWO_HOSTS_GUESTS];

void two_hosts_open(struct two_hosts *lab, const struct two_hosts_options *options);
void two_hosts_close(struct two_hosts *lab);
/* Moves the process into a namespace ("h1", "a", ...). */
void two_hosts_enter(const char *name);
/* Interface index of a guest's end in its host. */
uint32_t two_hosts_port(const struct two_hosts_guest *guest);
/* Sum of a counter below /sys/class/net/<interface>/statistics in a namespace. */
uint64_t two_hosts_statistic(const char *name, const char *interface, const char *statistic);
