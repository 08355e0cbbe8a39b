/* rtnetlink over libmnl: one socket for requests (short, synchronous, acknowledged), one for notifications
 * (non-blocking). Functions return 0 or -errno as the kernel gave it. */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <skerry/address.h>
#include <stdbool.h>
#include <stdint.h>

#define SKR_NETLINK_BUFFER   32768
#define SKR_NETLINK_PROTOCOL 83 /* 'S': marks addresses, rules, routes and neighbours as made by the agent */

struct skr_netlink;

int skr_netlink_new(struct skr_netlink **ret);
void skr_netlink_free(struct skr_netlink *netlink);

/* A header in a buffer of MNL_SOCKET_BUFFER_SIZE bytes owned by the netlink; add the payload, then call. */
struct nlmsghdr *skr_netlink_request(struct skr_netlink *netlink, uint16_t type, uint16_t flags);
/* Sends the request and waits for the acknowledgement. */
int skr_netlink_call(struct skr_netlink *netlink, struct nlmsghdr *message);
/* Sends a request for one object and calls fn for it; likewise acknowledged. fn makes no request. */
int skr_netlink_get(struct skr_netlink *netlink, struct nlmsghdr *message, mnl_cb_t fn, void *arg);
/* Sends a dump request and calls fn for each message of the answer, again from the start when a change interrupted the
 * dump: fn may see an object more than once, and makes no request. */
int skr_netlink_dump(struct skr_netlink *netlink, struct nlmsghdr *message, mnl_cb_t fn, void *arg);

/* Notifications: links, IPv4 addresses, rules, routes, neighbours, traffic control. */
int skr_netlink_events_fd(const struct skr_netlink *netlink);
/* Calls fn for each waiting message. -ENOBUFS: some were lost, look at everything again. */
int skr_netlink_events(struct skr_netlink *netlink, mnl_cb_t fn, void *arg);
/* Throws away what waits: it is older than what was lost, and must not be believed after everything was read anew. */
void skr_netlink_events_discard(struct skr_netlink *netlink);

/* Parses the attributes behind a fixed header into table[0 .. max]; unknown ones are passed over. */
void skr_netlink_attributes(const struct nlmsghdr *message, size_t header, const struct nlattr **table, unsigned max);

/* Brings an interface up. */
int skr_netlink_link_up(struct skr_netlink *netlink, uint32_t ifindex);
/* Makes an interface take every frame, or leaves it to others whether it does. */
int skr_netlink_promiscuous(struct skr_netlink *netlink, uint32_t ifindex, bool on);
/* The alternative name that marks promiscuity as the agent's; adding one that is there, or removing one that is not, is
 * fine. */
#define SKR_NETLINK_MARK_SIZE 32
void skr_netlink_mark(uint32_t ifindex, char out[static SKR_NETLINK_MARK_SIZE]);
int skr_netlink_alternative_name(struct skr_netlink *netlink, bool add, uint32_t ifindex);
/* Adds or removes an own IPv4 address, marked as ours. An address that is there already is fine. */
int skr_netlink_address(struct skr_netlink *netlink, bool add, uint32_t ifindex, const struct skr_address *address,
                        unsigned prefix_length);
/* `from <address> lookup <table>`. */
int skr_netlink_rule(struct skr_netlink *netlink, bool add, const struct skr_address *from, uint32_t table);
/* A route of a table over an interface; gateway NULL: on-link. */
int skr_netlink_route(struct skr_netlink *netlink, bool add, uint32_t table, const struct skr_address *destination,
                      unsigned prefix_length, const struct skr_address *gateway, const struct skr_address *source,
                      uint32_t ifindex);
/* A neighbour that the kernel keeps resolved by itself (NTF_EXT_MANAGED) and never evicts. */
int skr_netlink_neighbor(struct skr_netlink *netlink, bool add, uint32_t ifindex, const struct skr_address *address);
