/* The policy's nodes of switches, what leads to them, and lists: everything that decides what kind of port an adapter
 * gets on its host. Part of graph.h.
 *
 * Many of these rows refer to lists of others. Such a reference is an edge: the row owns an array of them, and each
 * hangs in the list of its target, so that a change of the target finds who is concerned. */
#pragma once

#include <skerry/address.h>
#include <skerry/id_map.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct node {
    struct skr_map_key key; /* type: enum skr_resource_id */
    uint32_t references;    /* from other nodes, and from the list of marked nodes */
    bool present, dirty;
};

struct edge {
    struct node *from, *to; /* to: NULL for a reference that is not set; referenced */
    LIST_ENTRY(edge) link;
};
LIST_HEAD(edge_list, edge);
struct edges {
    struct edge *items;
    uint32_t count;
};

/* The values of a virtual port profile that a port carries. */
struct port_profile {
    bool mac_spoofing, dhcp_guard, router_guard, arp_nd_inspection, guest_teaming, ieee_priority_tagging,
            guest_specified_ips, vmq, ipsec_task_offload, sriov, vrss, built_in;
    uint32_t minimum_weight;
    uint64_t minimum_bps, maximum_bps;
};

struct host_group {
    struct node node;
    struct host_group *parent;
    LIST_ENTRY(host_group) parent_link;
    LIST_HEAD(, host_group) children;
    LIST_HEAD(, host) hosts;
    struct edge_list sites;
};

struct site {
    struct node node;
    struct logical_network *network;
    LIST_ENTRY(site) network_link;
    char *name;
    uint16_t *vlans; /* of its subnets, each once, in order */
    uint32_t vlan_count;
    struct edges groups;
    struct edge_list users; /* uplink port profiles and host switches */
    LIST_HEAD(, domain) domains;
};

struct uplink_profile {
    struct node node;
    uint32_t load_balancing, teaming_mode; /* of the protocol */
    struct edges sites;
    struct edge_list uplinks; /* from host switches */
};

struct switch_port {
    struct skr_uuid classification;
    bool is_default;
};

struct logical_switch {
    struct node node;
    uint32_t type, minimum_bandwidth_mode; /* of the protocol */
    bool sriov;
    char **extensions;
    uint32_t extension_count;
    struct switch_port *ports;
    struct edges profiles; /* of the ports, one each */
    LIST_HEAD(, host_switch) switches;
};

struct host_adapter {
    char *name;
    bool inherit_from_uplink;
    uint32_t vlan_id;
};

struct host_switch {
    struct node node;
    struct host *host;
    struct logical_switch *logical;
    LIST_ENTRY(host_switch) host_link, logical_link;
    char *name, **uplinks;
    struct edges profiles; /* of the uplinks, one each */
    struct host_adapter *adapters;
    struct edges targets; /* site or VM network of the adapters, one each */
    struct scope *scope;  /* where its object stands */
};

/* A value of a profile that an administrator has not let change yet on one host, for the ports of a logical switch and
 * a classification (nil: of none): a row of compliance. */
struct hold {
    struct node node;
    struct host *host;
    LIST_ENTRY(hold) host_link;
    struct skr_uuid logical_switch, classification;
    int field;
    uint64_t value;
};

struct acl {
    struct node node;
    uint8_t *bytes; /* as sent */
    size_t size;
    LIST_HEAD(, acl_use) uses;
};

/* Ports on this host carry the list. */
struct acl_use {
    struct skr_map_key key; /* the list's, in host->acls */
    struct acl *acl;
    struct host *host;
    uint32_t count;
    bool dirty;
    LIST_ENTRY(acl_use) acl_link, dirty_link;
};

struct route {
    struct node node;
    struct domain *domain;
    struct skr_prefix destination;
    struct skr_address next_hop;
    uint32_t metric;
    struct scope *scope; /* where its object stands */
};

/* How a host gets to a logical network. */
struct reach {
    const char *interface;
    const struct site *site;
    const struct host_switch *host_switch; /* NULL: the uplink is in none */
};
