/* Numbers of each resource's own fields, in the order of its table in lib/resource/<object>.c. */
#pragma once

#include <skerry/resource.h>

/* The name of an enum stands behind its brace: */
/* clang-format off */

enum { /* tenant.quotas, usage.quotas: null = as many as the controller takes */
    SKR_QUOTA_VM_NETWORKS, /* INTEGER nullable, like all of them; the counted ones first */
    SKR_QUOTA_VM_SUBNETS,
    SKR_QUOTA_NETWORK_ADAPTERS,
    SKR_QUOTA_LEARNED_ADDRESSES,
    SKR_QUOTA_ACL_RULES,
    SKR_QUOTA_CUSTOMER_ROUTES,
    SKR_QUOTA_COUNTED,                                  /* those above are counts of objects */
    SKR_QUOTA_REQUESTS_PER_SECOND = SKR_QUOTA_COUNTED, /* of all the tenant's principals together */
    SKR_QUOTA_FIELD_COUNT
};
enum { /* tenant */
    SKR_TENANT_LOGICAL_NETWORK_IDS = SKR_FIELD_COMMON_COUNT, /* REFERENCES */
    SKR_TENANT_PORT_CLASSIFICATION_IDS,                      /* REFERENCES */
    SKR_TENANT_QUOTAS,                                       /* STRUCT, administrators */
    SKR_TENANT_USAGE,                                        /* COMPUTED {vm_networks, ...}: what is counted */
    SKR_TENANT_FIELD_COUNT
};
enum { /* host-group */
    SKR_HOST_GROUP_PARENT_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE; null only for the built-in root "All hosts" */
    SKR_HOST_GROUP_CLAIMS,                             /* BOOLEAN, default true: hosts may claim adapters by ifalias */
    SKR_HOST_GROUP_BUILT_IN,                           /* BOOLEAN read-only */
    SKR_HOST_GROUP_HOST_COUNT,                         /* INTEGER hidden unversioned: hosts that are not removed */
    SKR_HOST_GROUP_AVAILABILITY, /* COMPUTED: logical switches that some hosts have and others lack */
    SKR_HOST_GROUP_FIELD_COUNT
};
enum { /* logical-network */
    SKR_LOGICAL_NETWORK_ISOLATION = SKR_FIELD_COMMON_COUNT, /* ENUM connected | vlan | pvlan, immutable */
    SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION,             /* BOOLEAN */
    SKR_LOGICAL_NETWORK_ENCAPSULATION,                      /* ENUM nvgre | vxlan */
    SKR_LOGICAL_NETWORK_MTU,                                /* INTEGER 1280 to 9216, default 1500: of the PA side */
    SKR_LOGICAL_NETWORK_UTILIZATION,                        /* COMPUTED: of its sites' pools together */
    SKR_LOGICAL_NETWORK_FIELD_COUNT
};
enum { /* network-site.subnet_vlans[] */
    SKR_SUBNET_VLAN_SUBNET,            /* PREFIX, nullable */
    SKR_SUBNET_VLAN_VLAN_ID,           /* INTEGER 0 to 4094 */
    SKR_SUBNET_VLAN_SECONDARY_VLAN_ID, /* INTEGER 1 to 4094, nullable */
    SKR_SUBNET_VLAN_FIELD_COUNT
};
enum { /* network-site */
    SKR_NETWORK_SITE_LOGICAL_NETWORK_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE immutable */
    SKR_NETWORK_SITE_HOST_GROUP_IDS,                              /* REFERENCES */
    SKR_NETWORK_SITE_SUBNET_VLANS,                                /* STRUCTS */
    SKR_NETWORK_SITE_UTILIZATION,                                 /* COMPUTED: of its pools together */
    SKR_NETWORK_SITE_FIELD_COUNT
};
enum { /* ip-pool.gateways[] */
    SKR_GATEWAY_ADDRESS,
    SKR_GATEWAY_METRIC,
    SKR_GATEWAY_FIELD_COUNT
};
enum { /* ip-pool */
    SKR_IP_POOL_NETWORK_SITE_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE nullable, immutable */
    SKR_IP_POOL_VM_SUBNET_ID,                             /* REFERENCE nullable, immutable: exactly one of the two */
    SKR_IP_POOL_SUBNET,                                   /* PREFIX: the site's or VM subnet's */
    SKR_IP_POOL_RANGE_START,                              /* ADDRESS */
    SKR_IP_POOL_RANGE_END,                                /* ADDRESS */
    SKR_IP_POOL_RESERVED,                                 /* JSON '[' of "a" or "a-b" */
    SKR_IP_POOL_VIP_RESERVED,                             /* JSON '[' */
    SKR_IP_POOL_GATEWAYS,                                 /* STRUCTS */
    SKR_IP_POOL_DNS_SERVERS,                              /* ADDRESSES */
    SKR_IP_POOL_DNS_SUFFIX,                               /* TEXT */
    SKR_IP_POOL_DNS_SEARCH_SUFFIXES,                      /* JSON '[' of text */
    SKR_IP_POOL_WINS_SERVERS,                             /* ADDRESSES */
    SKR_IP_POOL_TOTAL,                                    /* INTEGER hidden unversioned: counters behind utilization */
    SKR_IP_POOL_ALLOCATED,
    SKR_IP_POOL_RESERVED_COUNT,
    SKR_IP_POOL_VIP_COUNT,
    SKR_IP_POOL_UTILIZATION, /* COMPUTED {total, allocated, reserved, vip, free} as decimal text */
    SKR_IP_POOL_FIELD_COUNT
};
enum { /* mac-pool */
    SKR_MAC_POOL_HOST_GROUP_IDS = SKR_FIELD_COMMON_COUNT, /* REFERENCES */
    SKR_MAC_POOL_RANGE_START,                             /* MAC */
    SKR_MAC_POOL_RANGE_END,                               /* MAC */
    SKR_MAC_POOL_BUILT_IN,
    SKR_MAC_POOL_FIELD_COUNT
};
enum { /* virtual-port-profile.offload */
    SKR_OFFLOAD_VMQ,
    SKR_OFFLOAD_IPSEC_TASK_OFFLOAD,
    SKR_OFFLOAD_SRIOV,
    SKR_OFFLOAD_VRSS,
    SKR_OFFLOAD_FIELD_COUNT
};
enum { /* virtual-port-profile.security */
    SKR_SECURITY_MAC_SPOOFING,
    SKR_SECURITY_DHCP_GUARD,
    SKR_SECURITY_ROUTER_GUARD,
    SKR_SECURITY_ARP_ND_INSPECTION,
    SKR_SECURITY_GUEST_TEAMING,
    SKR_SECURITY_IEEE_PRIORITY_TAGGING,
    SKR_SECURITY_GUEST_SPECIFIED_IPS,
    SKR_SECURITY_FIELD_COUNT
};
enum { /* virtual-port-profile.bandwidth */
    SKR_BANDWIDTH_MINIMUM_WEIGHT,
    SKR_BANDWIDTH_MINIMUM_BPS,
    SKR_BANDWIDTH_MAXIMUM_BPS,
    SKR_BANDWIDTH_FIELD_COUNT
};
enum { /* virtual-port-profile */
    SKR_VIRTUAL_PORT_PROFILE_OFFLOAD = SKR_FIELD_COMMON_COUNT, /* STRUCT */
    SKR_VIRTUAL_PORT_PROFILE_SECURITY,                         /* STRUCT */
    SKR_VIRTUAL_PORT_PROFILE_BANDWIDTH,                        /* STRUCT */
    SKR_VIRTUAL_PORT_PROFILE_BUILT_IN,
    SKR_VIRTUAL_PORT_PROFILE_FIELD_COUNT
};
enum { /* port-classification */
    SKR_PORT_CLASSIFICATION_VIRTUAL_PORT_PROFILE_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE: where no logical switch maps it */
    SKR_PORT_CLASSIFICATION_BUILT_IN,
    SKR_PORT_CLASSIFICATION_FIELD_COUNT
};
enum { /* host.uplinks[] */
    SKR_UPLINK_NAME,             /* TEXT, unique in the list */
    SKR_UPLINK_INTERFACE,        /* TEXT, 1 to 15 bytes */
    SKR_UPLINK_NETWORK_SITE_IDS, /* JSON '[' of site ids, each checked by the rules; empty = the sites covering its group */
    SKR_UPLINK_FIELD_COUNT
};
enum { /* host */
    SKR_HOST_HOST_GROUP_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE, default: the root */
    SKR_HOST_UPLINKS,                                /* STRUCTS, at most 32 */
    SKR_HOST_STATE,            /* ENUM active | maintenance (keeps what it has, takes no new adapter) | removed */
    SKR_HOST_GATEWAY_ONLY,     /* BOOLEAN */
    SKR_HOST_REMEDIATION,      /* ENUM auto | manual */
    SKR_HOST_ENROLMENT,        /* ENUM read-only unversioned: pending | enrolled | revoked */
    SKR_HOST_KEY_HASH,         /* TEXT hidden: hex SHA-256 of the agent's key */
    SKR_HOST_SYNCED_REVISION,  /* INTEGER hidden unversioned */
    SKR_HOST_AGENT_VERSION,    /* TEXT read-only unversioned */
    SKR_HOST_KERNEL,           /* TEXT read-only unversioned */
    SKR_HOST_INVENTORY,        /* JSON '[' read-only unversioned: interfaces {name, mac, mtu, speed_mbps, link, queues} */
    SKR_HOST_CERTIFICATE_EXPIRES_AT, /* TIME read-only unversioned nullable */
    SKR_HOST_LAST_SEEN_AT,           /* TIME read-only unversioned nullable: of connect and disconnect, no keepalives */
    SKR_HOST_COMPLIANCE, /* COMPUTED {compliant, non_compliant: rows of the compliance view, checked, reason: no row's} */
    SKR_HOST_PROBLEM,    /* TEXT read-only unversioned nullable: why its session is held, its identity shared; read: or compliance.reason */
    SKR_HOST_FIELD_COUNT
};
enum { /* vm-network (tenant scope) */
    SKR_VM_NETWORK_LOGICAL_NETWORK_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE immutable */
    SKR_VM_NETWORK_ISOLATION,             /* ENUM none | vlan | pvlan | network_virtualization */
    SKR_VM_NETWORK_ROUTING_DOMAIN_ID,     /* UUID read-only: RDID */
    SKR_VM_NETWORK_ROUTING_DOMAIN_NUMBER, /* INTEGER hidden: 32 bits, never reused, the fast path's key for the RDID */
    SKR_VM_NETWORK_MTU,                   /* INTEGER nullable: null = PA MTU - overhead */
    SKR_VM_NETWORK_NETWORK_SITE_ID,   /* REFERENCE nullable, immutable, fabric: of vlan and pvlan, given or picked */
    SKR_VM_NETWORK_VLAN_ID,           /* INTEGER 0 to 4094 nullable, immutable, fabric: likewise */
    SKR_VM_NETWORK_SECONDARY_VLAN_ID, /* INTEGER nullable, immutable, fabric: of pvlan */
    SKR_VM_NETWORK_FIELD_COUNT
};
enum { /* vm-subnet (tenant scope) */
    SKR_VM_SUBNET_VM_NETWORK_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE immutable */
    SKR_VM_SUBNET_PREFIX,                                 /* PREFIX immutable */
    SKR_VM_SUBNET_VSID,    /* INTEGER 4096 to 16777214 nullable, fabric, immutable; assigned; null in VLAN networks */
    SKR_VM_SUBNET_GATEWAY, /* ADDRESS read-only nullable: null = a VLAN whose pools name none */
    SKR_VM_SUBNET_MTU,                /* COMPUTED */
    SKR_VM_SUBNET_PA_MULTICAST_GROUP, /* ADDRESS nullable, administrators: NOT_SUPPORTED yet when set */
    SKR_VM_SUBNET_ACL_IDS,            /* REFERENCES: lists that hold for every adapter in it */
    SKR_VM_SUBNET_UTILIZATION, /* COMPUTED: of its pools together */
    SKR_VM_SUBNET_FIELD_COUNT
};
enum { /* network-adapter (tenant scope) */
    SKR_NETWORK_ADAPTER_VM_NAME = SKR_FIELD_COMMON_COUNT, /* TEXT */
    SKR_NETWORK_ADAPTER_VM_NETWORK_ID,     /* REFERENCE immutable */
    SKR_NETWORK_ADAPTER_VM_SUBNET_ID,      /* REFERENCE immutable nullable: null = the VM network has none */
    SKR_NETWORK_ADAPTER_MAC,               /* MAC; from a MAC pool when absent */
    SKR_NETWORK_ADAPTER_IP_ADDRESSES,      /* ADDRESSES: absent = from a pool if there is one; [] = none; null while
                                              the host of an adapter in a `none` network is not known */
    SKR_NETWORK_ADAPTER_CLASSIFICATION_ID, /* REFERENCE nullable: null = the built-in default */
    SKR_NETWORK_ADAPTER_HOST_ID,           /* REFERENCE nullable, administrators */
    SKR_NETWORK_ADAPTER_INTERFACE,         /* TEXT nullable, administrators */
    SKR_NETWORK_ADAPTER_CLAIMED,           /* BOOLEAN hidden unversioned: host_id came from a claim */
    SKR_NETWORK_ADAPTER_BOUND,             /* BOOLEAN read-only unversioned */
    SKR_NETWORK_ADAPTER_BOUND_INTERFACE,   /* TEXT read-only unversioned nullable */
    SKR_NETWORK_ADAPTER_BOUND_REASON,      /* TEXT read-only unversioned nullable: why it is not bound */
    SKR_NETWORK_ADAPTER_TARGET_HOST_ID,    /* REFERENCE read-only unversioned nullable: set while it moves */
    SKR_NETWORK_ADAPTER_ACL_IDS,           /* REFERENCES: before those of its VM subnet */
    SKR_NETWORK_ADAPTER_TARGET_INTERFACE,  /* TEXT read-only unversioned nullable: its interface there, once bound */
    SKR_NETWORK_ADAPTER_TARGET_CLAIMED,    /* BOOLEAN hidden unversioned: the target claims it */
    SKR_NETWORK_ADAPTER_VLAN_ID,           /* INTEGER nullable, fabric: in `none` networks where a site has several */
    SKR_NETWORK_ADAPTER_MIRROR,            /* ENUM none | source | destination, fabric */
    SKR_NETWORK_ADAPTER_PROTECTED_NETWORK, /* BOOLEAN */
    SKR_NETWORK_ADAPTER_FIELD_COUNT
};
enum { /* uplink-port-profile */
    SKR_UPLINK_PORT_PROFILE_LOAD_BALANCING = SKR_FIELD_COMMON_COUNT, /* ENUM switch_port | address_hash | dynamic */
    SKR_UPLINK_PORT_PROFILE_TEAMING_MODE,                            /* ENUM switch_independent | static | lacp */
    SKR_UPLINK_PORT_PROFILE_NETWORK_SITE_IDS,                        /* REFERENCES */
    SKR_UPLINK_PORT_PROFILE_NETWORK_VIRTUALIZATION,                  /* BOOLEAN, default true */
    SKR_UPLINK_PORT_PROFILE_FIELD_COUNT
};
enum { /* logical-switch.virtual_ports[] */
    SKR_VIRTUAL_PORT_CLASSIFICATION_ID, /* REFERENCE */
    SKR_VIRTUAL_PORT_PROFILE_ID,        /* REFERENCE virtual-port-profile; "profile_id" */
    SKR_VIRTUAL_PORT_IS_DEFAULT,        /* BOOLEAN, exactly one */
    SKR_VIRTUAL_PORT_FIELD_COUNT
};
enum { /* logical-switch */
    SKR_LOGICAL_SWITCH_TYPE = SKR_FIELD_COMMON_COUNT, /* ENUM external | internal | private, immutable */
    SKR_LOGICAL_SWITCH_UPLINK_MODE,                   /* ENUM none | team */
    SKR_LOGICAL_SWITCH_MINIMUM_BANDWIDTH_MODE,        /* ENUM none | weight | absolute */
    SKR_LOGICAL_SWITCH_SRIOV,                         /* BOOLEAN immutable */
    SKR_LOGICAL_SWITCH_UPLINK_PORT_PROFILE_IDS,       /* REFERENCES */
    SKR_LOGICAL_SWITCH_VIRTUAL_PORTS,                 /* STRUCTS */
    SKR_LOGICAL_SWITCH_EXTENSIONS,                    /* JSON '[' of text */
    SKR_LOGICAL_SWITCH_FIELD_COUNT
};
enum { /* host-switch.uplinks[] */
    SKR_SWITCH_UPLINK_INTERFACE,  /* TEXT, 1 to 15 bytes */
    SKR_SWITCH_UPLINK_PROFILE_ID, /* REFERENCE uplink-port-profile, nullable: the logical switch lists none */
    SKR_SWITCH_UPLINK_FIELD_COUNT
};
enum { /* host-switch.host_adapters[] */
    SKR_HOST_ADAPTER_NAME,                /* TEXT: interface */
    SKR_HOST_ADAPTER_INHERIT_FROM_UPLINK, /* BOOLEAN */
    SKR_HOST_ADAPTER_CLASSIFICATION_ID,   /* REFERENCE nullable */
    SKR_HOST_ADAPTER_NETWORK_SITE_ID,     /* REFERENCE nullable */
    SKR_HOST_ADAPTER_VM_NETWORK_ID,       /* REFERENCE nullable */
    SKR_HOST_ADAPTER_VLAN_ID,             /* INTEGER nullable */
    SKR_HOST_ADAPTER_FIELD_COUNT
};
enum { /* host-switch */
    SKR_HOST_SWITCH_HOST_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE immutable */
    SKR_HOST_SWITCH_LOGICAL_SWITCH_ID,                /* REFERENCE immutable, once a host */
    SKR_HOST_SWITCH_UPLINKS,                          /* STRUCTS, at most 32 */
    SKR_HOST_SWITCH_HOST_ADAPTERS,                    /* STRUCTS, at most 32 */
    SKR_HOST_SWITCH_AVAILABILITY,                     /* COMPUTED */
    SKR_HOST_SWITCH_FIELD_COUNT
};
enum { /* join-token */
    SKR_JOIN_TOKEN_HOST_GROUP_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE nullable */
    SKR_JOIN_TOKEN_TTL_S,       /* INTEGER 60 to 86400, default 3600, immutable */
    SKR_JOIN_TOKEN_USES,        /* INTEGER 1 to 10000, default 1 */
    SKR_JOIN_TOKEN_APPROVE,     /* BOOLEAN: hosts wait for :approve */
    SKR_JOIN_TOKEN_USES_LEFT,   /* INTEGER read-only unversioned */
    SKR_JOIN_TOKEN_EXPIRES_AT,  /* TIME read-only */
    SKR_JOIN_TOKEN_SECRET_HASH, /* TEXT hidden */
    SKR_JOIN_TOKEN_SECRET,      /* SECRET: the part after the dot */
    SKR_JOIN_TOKEN_FIELD_COUNT
};
enum { /* token: one grant, fixed when it is made. tenant_id: of tenants' roles */
    SKR_TOKEN_ROLE = SKR_FIELD_COMMON_COUNT, /* ENUM, the five roles */
    SKR_TOKEN_TTL_S,                         /* INTEGER 60 to 31536000, default 2592000 */
    SKR_TOKEN_EXPIRES_AT,                    /* TIME read-only */
    SKR_TOKEN_INITIAL,                       /* BOOLEAN read-only: ends once another administrator's token exists */
    SKR_TOKEN_SECRET_HASH,                   /* TEXT hidden, unique index */
    SKR_TOKEN_HOST_GROUP_ID,
    SKR_TOKEN_ROLE_BINDING_ID,                 /* REFERENCE nullable: of a fabric-operator; null = everything */
    SKR_TOKEN_SECRET,                        /* SECRET */
    SKR_TOKEN_FIELD_COUNT
};
enum { /* access-control-list.rules[]: KEYED */
    SKR_ACL_RULE_ID = SKR_ENTRY_ID,     /* UUID read-only: stable while the name is */
    SKR_ACL_RULE_NAME = SKR_ENTRY_NAME, /* TEXT, unique in the list */
    SKR_ACL_RULE_DIRECTION,             /* ENUM in | out, as the VM sees it */
    SKR_ACL_RULE_ACTION,                /* ENUM allow | deny | meter */
    SKR_ACL_RULE_PROTOCOL,              /* TEXT: tcp | udp | icmp | icmpv6 | any | "0" to "255"; kept normalized */
    SKR_ACL_RULE_LOCAL,                 /* PREFIX nullable: the VM's side, null = any */
    SKR_ACL_RULE_REMOTE,                /* PREFIX nullable */
    SKR_ACL_RULE_LOCAL_PORTS,           /* TEXT nullable: "80" or "1000-2000", kept normalized; null = any */
    SKR_ACL_RULE_REMOTE_PORTS,          /* TEXT nullable */
    SKR_ACL_RULE_WEIGHT,                /* INTEGER 0 to 65535: higher first, equal ones in their order */
    SKR_ACL_RULE_STATEFUL,              /* BOOLEAN: answers of what is allowed are allowed */
    SKR_ACL_RULE_IDLE_TIMEOUT_S,        /* INTEGER: a stateful flow ends after so long without a packet */
    SKR_ACL_RULE_LOG,                   /* BOOLEAN */
    SKR_ACL_RULE_FIELD_COUNT
};
enum { /* access-control-list (tenant scope) */
    SKR_ACCESS_CONTROL_LIST_RULES = SKR_FIELD_COMMON_COUNT, /* STRUCTS */
    SKR_ACCESS_CONTROL_LIST_FIELD_COUNT
};
enum { /* customer-route (tenant scope) */
    SKR_CUSTOMER_ROUTE_VM_NETWORK_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE immutable */
    SKR_CUSTOMER_ROUTE_DESTINATION,                            /* PREFIX; with the metric unique in the VM network */
    SKR_CUSTOMER_ROUTE_NEXT_HOP,                               /* ADDRESS in a VM subnet of the network */
    SKR_CUSTOMER_ROUTE_METRIC,                                 /* INTEGER: lower first */
    SKR_CUSTOMER_ROUTE_VM_SUBNET_ID,                           /* REFERENCE read-only: that of the next hop */
    SKR_CUSTOMER_ROUTE_FIELD_COUNT
};
enum { /* user. tenant_id: whose administrators may see and bind it */
    SKR_USER_PASSWORD_HASH = SKR_FIELD_COMMON_COUNT, /* TEXT hidden: Argon2id, encoded */
    SKR_USER_PASSWORD,                               /* SECRET, written by requests */
    SKR_USER_FIELD_COUNT
};
enum { /* role-binding: a user has a grant. tenant_id: of tenants' roles */
    SKR_ROLE_BINDING_USER_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE immutable */
    SKR_ROLE_BINDING_ROLE,                             /* ENUM, the five roles */
    SKR_ROLE_BINDING_HOST_GROUP_ID,                    /* REFERENCE nullable: of a fabric-operator; null = everything */
    SKR_ROLE_BINDING_FIELD_COUNT
};
enum { /* session: a user who is logged in. name: the user's; tenant_id: of the grant */
    SKR_SESSION_USER_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE read-only */
    SKR_SESSION_ROLE_BINDING_ID,                  /* REFERENCE: the grant it acts under */
    SKR_SESSION_ROLE,                             /* ENUM read-only: of that grant */
    SKR_SESSION_HOST_GROUP_ID,                    /* REFERENCE read-only nullable: of that grant */
    SKR_SESSION_EXPIRES_AT,                       /* TIME read-only: 12 h after the login */
    SKR_SESSION_LAST_USED_AT,                     /* TIME read-only unversioned: written at most once a minute */
    SKR_SESSION_ADDRESS,                          /* TEXT read-only: where the login came from */
    SKR_SESSION_SECRET_HASH,                      /* TEXT hidden */
    SKR_SESSION_PASSWORD,                         /* SECRET, written by requests */
    SKR_SESSION_CSRF_TOKEN,                       /* SECRET */
    SKR_SESSION_FIELD_COUNT
};
/* Views keep the common fields; name is the address, description empty. */
enum { /* lookup-record (tenant scope; tenants see it without PA and host) */
    SKR_LOOKUP_RECORD_VM_NETWORK_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE */
    SKR_LOOKUP_RECORD_VM_SUBNET_ID,                           /* REFERENCE nullable: the VM network has none */
    SKR_LOOKUP_RECORD_NETWORK_ADAPTER_ID,                     /* REFERENCE; the adapter's row gives host and PA */
    SKR_LOOKUP_RECORD_VSID,                                   /* INTEGER nullable: null = on a VLAN, never sent down */
    SKR_LOOKUP_RECORD_CUSTOMER_ADDRESS,                       /* ADDRESS nullable: null = MAC alone (l2only) */
    SKR_LOOKUP_RECORD_MAC,                                    /* MAC */
    SKR_LOOKUP_RECORD_TYPE,                                   /* ENUM static | dynamic | l2only | gateway | dhcp */
    SKR_LOOKUP_RECORD_HOST_ID,                                /* REFERENCE nullable, kept equal to the adapter's */
    SKR_LOOKUP_RECORD_PROVIDER_ADDRESS,                       /* COMPUTED; null without a VSID */
    SKR_LOOKUP_RECORD_FIELD_COUNT
};
enum { /* provider-address */
    SKR_PROVIDER_ADDRESS_HOST_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE */
    SKR_PROVIDER_ADDRESS_NETWORK_SITE_ID,                  /* REFERENCE */
    SKR_PROVIDER_ADDRESS_LOGICAL_NETWORK_ID,               /* REFERENCE */
    SKR_PROVIDER_ADDRESS_IP_POOL_ID,                       /* REFERENCE nullable: null while none is free */
    SKR_PROVIDER_ADDRESS_UPLINK,                           /* TEXT: interface */
    SKR_PROVIDER_ADDRESS_ADDRESS,                          /* ADDRESS nullable: null = none left, reason below */
    SKR_PROVIDER_ADDRESS_SUBNET,                           /* PREFIX */
    SKR_PROVIDER_ADDRESS_GATEWAY,                          /* ADDRESS nullable: of the pool, for the other sites' PAs */
    SKR_PROVIDER_ADDRESS_VLAN_ID,                          /* INTEGER */
    SKR_PROVIDER_ADDRESS_REASON,                           /* TEXT nullable: no_provider_address, naming the site */
    SKR_PROVIDER_ADDRESS_FIELD_COUNT
};
enum { /* ip-allocation */
    SKR_IP_ALLOCATION_IP_POOL_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE immutable */
    SKR_IP_ALLOCATION_ADDRESS,                             /* ADDRESS */
    SKR_IP_ALLOCATION_PURPOSE,                                /* ENUM adapter | provider | vip | manual */
    SKR_IP_ALLOCATION_OWNER_ID,                            /* UUID nullable */
    SKR_IP_ALLOCATION_RETIRED_AT_REVISION,                 /* INTEGER nullable: freed, waiting for every host */
    SKR_IP_ALLOCATION_FIELD_COUNT
};
enum { /* effective-route: derived from the VM subnets and customer routes of a VM network */
    SKR_EFFECTIVE_ROUTE_VM_NETWORK_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE */
    SKR_EFFECTIVE_ROUTE_DESTINATION,                            /* PREFIX */
    SKR_EFFECTIVE_ROUTE_NEXT_HOP,                               /* ADDRESS nullable: null = on the VM subnet */
    SKR_EFFECTIVE_ROUTE_VM_SUBNET_ID,                           /* REFERENCE */
    SKR_EFFECTIVE_ROUTE_METRIC,                                 /* INTEGER nullable: null = on the VM subnet */
    SKR_EFFECTIVE_ROUTE_CUSTOMER_ROUTE_ID,                      /* REFERENCE nullable: null = on the VM subnet */
    SKR_EFFECTIVE_ROUTE_FIELD_COUNT
};
enum { /* compliance: one row an open drift item */
    SKR_COMPLIANCE_HOST_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE */
    SKR_COMPLIANCE_OBJECT_KIND,                      /* TEXT: port, filter, map-entry, provider-address, uplink, program, virtual-port-profile */
    SKR_COMPLIANCE_OBJECT_ID,                        /* UUID nullable */
    SKR_COMPLIANCE_OBJECT,                           /* TEXT: what it is, readable */
    SKR_COMPLIANCE_FIELD,                            /* TEXT */
    SKR_COMPLIANCE_EXPECTED,                         /* TEXT */
    SKR_COMPLIANCE_FOUND,                            /* TEXT */
    SKR_COMPLIANCE_SINCE,                            /* TIME */
    SKR_COMPLIANCE_LOGICAL_SWITCH_ID,                /* UUID nullable, of a held profile: of ports on it */
    SKR_COMPLIANCE_CLASSIFICATION_ID,                /* UUID nullable, of a held profile: of ports that have it */
    SKR_COMPLIANCE_FIELD_COUNT
};
enum { /* orphan: what hosts hold while the database is rolled back, and it has not */
    SKR_ORPHAN_HOST_ID = SKR_FIELD_COMMON_COUNT, /* REFERENCE */
    SKR_ORPHAN_OBJECT_KIND,                      /* TEXT: name of the resource the object was of */
    SKR_ORPHAN_OBJECT_ID,                        /* UUID */
    SKR_ORPHAN_VM_NETWORK_ID,                    /* UUID nullable: of what belongs to a VM network */
    SKR_ORPHAN_REASON,                           /* TEXT */
    SKR_ORPHAN_SINCE,                            /* TIME */
    SKR_ORPHAN_FIELD_COUNT
};
enum { /* event */
    SKR_EVENT_REASON = SKR_FIELD_COMMON_COUNT, /* TEXT: CamelCase word, stable */
    SKR_EVENT_MESSAGE,                         /* TEXT; of a tenant's event: names no host, PA or interface */
    SKR_EVENT_OBJECT_KIND,                     /* TEXT */
    SKR_EVENT_OBJECT_ID,                       /* UUID nullable */
    SKR_EVENT_HOST_ID,                         /* UUID nullable */
    SKR_EVENT_DETAIL,                          /* TEXT nullable, fabric readers: the message with hosts' names */
    SKR_EVENT_COUNT,                           /* INTEGER: how often it happened within a minute */
    SKR_EVENT_FIELD_COUNT
};
enum { /* job.steps[] */
    SKR_JOB_STEP_NAME,       /* TEXT */
    SKR_JOB_STEP_STATE,      /* ENUM pending | running | succeeded | failed | undone | skipped */
    SKR_JOB_STEP_PERCENT,    /* INTEGER 0 to 100 */
    SKR_JOB_STEP_STARTED_AT, /* TIME nullable */
    SKR_JOB_STEP_ENDED_AT,   /* TIME nullable */
    SKR_JOB_STEP_MESSAGE,    /* TEXT */
    SKR_JOB_STEP_FIELD_COUNT
};
enum { /* job: every field is versioned, so that a watch delivers each end; tenants see none */
    SKR_JOB_KIND = SKR_FIELD_COMMON_COUNT, /* ENUM deploy_host_switch | remove_host_switch | migrate | drain | ... */
    SKR_JOB_OBJECT_KIND,                   /* TEXT */
    SKR_JOB_OBJECT_ID,                     /* UUID nullable */
    SKR_JOB_HOST_ID,                       /* UUID nullable */
    SKR_JOB_PARENT_ID,                     /* UUID nullable: the job that started it */
    SKR_JOB_STATE,                         /* ENUM pending | running | cancelling | succeeded | failed | cancelled */
    SKR_JOB_PERCENT,                       /* INTEGER 0 to 100 */
    SKR_JOB_MESSAGE,                       /* TEXT */
    SKR_JOB_STEPS,                         /* STRUCTS */
    SKR_JOB_STARTED_AT,                    /* TIME nullable */
    SKR_JOB_ENDED_AT,                      /* TIME nullable: null = still open */
    SKR_JOB_DEADLINE,                      /* TIME nullable */
    SKR_JOB_CANCELLABLE,                   /* BOOLEAN: the engine says whether the step at hand can be undone */
    SKR_JOB_REQUESTED_BY,                  /* TEXT */
    SKR_JOB_INPUT,                         /* JSON '{' hidden */
    SKR_JOB_PROGRESS,                      /* JSON '{' hidden */
    SKR_JOB_FIELD_COUNT
};
/* Inputs of actions. */
enum { /* network-adapter:migrate */
    SKR_MIGRATE_HOST_ID,   /* REFERENCE */
    SKR_MIGRATE_TIMEOUT_S, /* INTEGER: the VM must appear on the target within it */
    SKR_MIGRATE_FIELD_COUNT
};
enum {                    /* host:drain */
    SKR_DRAIN_HOST_IDS,   /* JSON '[' of host ids to move to; empty: the controller chooses */
    SKR_DRAIN_TIMEOUT_S,  /* INTEGER: of each move */
    SKR_DRAIN_FIELD_COUNT
};
enum { /* host:replace */
    SKR_REPLACE_NEW_HOST_ID, /* REFERENCE */
    SKR_REPLACE_FIELD_COUNT
};
enum { /* audit-record (collection audit-log): one row a write, refused ones too; tenant_id is the object's */
    SKR_AUDIT_RECORD_PRINCIPAL_ID = SKR_FIELD_COMMON_COUNT, /* UUID nullable: user, or token that is nobody's */
    SKR_AUDIT_RECORD_PRINCIPAL,                             /* TEXT: its name then */
    SKR_AUDIT_RECORD_ROLE,                                  /* TEXT */
    SKR_AUDIT_RECORD_TOKEN_ID,                              /* UUID nullable */
    SKR_AUDIT_RECORD_ADDRESS,                               /* TEXT: where from */
    SKR_AUDIT_RECORD_REQUEST_ID,                            /* TEXT */
    SKR_AUDIT_RECORD_METHOD,                                /* TEXT: POST, PUT, PATCH, DELETE; JOB */
    SKR_AUDIT_RECORD_PATH,                                  /* TEXT */
    SKR_AUDIT_RECORD_OBJECT_KIND,                           /* TEXT */
    SKR_AUDIT_RECORD_OBJECT_ID,                             /* UUID nullable */
    SKR_AUDIT_RECORD_RESULT,                                /* TEXT: "ok" or the error's type */
    SKR_AUDIT_RECORD_DETAIL,                                /* TEXT: why it was refused */
    SKR_AUDIT_RECORD_BEFORE,                                /* JSON nullable */
    SKR_AUDIT_RECORD_AFTER,                                 /* JSON nullable */
    SKR_AUDIT_RECORD_SIZE,                                  /* INTEGER hidden: bytes of the row, about */
    SKR_AUDIT_RECORD_FIELD_COUNT
};
enum { /* usage (tenant scope): one row a tenant, its id */
    SKR_USAGE_VM_NETWORKS = SKR_FIELD_COMMON_COUNT, /* INTEGER, in the order of the quotas */
    SKR_USAGE_VM_SUBNETS,
    SKR_USAGE_NETWORK_ADAPTERS,
    SKR_USAGE_LEARNED_ADDRESSES,
    SKR_USAGE_ACL_RULES,
    SKR_USAGE_CUSTOMER_ROUTES,
    SKR_USAGE_QUOTAS, /* STRUCT */
    SKR_USAGE_FIELD_COUNT
};
enum { /* backup */
    SKR_BACKUP_FILE = SKR_FIELD_COMMON_COUNT, /* TEXT read-only unversioned, as are the others */
    SKR_BACKUP_BYTES,                         /* INTEGER nullable */
    SKR_BACKUP_REVISION,                      /* INTEGER nullable */
    SKR_BACKUP_DATABASE_ID,                   /* UUID */
    SKR_BACKUP_ENCRYPTED,                     /* BOOLEAN */
    SKR_BACKUP_COMPLETED_AT,                  /* TIME nullable */
    SKR_BACKUP_AUTHORITY_KEY,                 /* TEXT hidden nullable: encrypted PEM, until the copy has it */
    SKR_BACKUP_PASSPHRASE,                    /* SECRET, given at create */
    SKR_BACKUP_FIELD_COUNT
};
enum { /* address (collection addresses): one row a holding, ended ones too; its ids outlive what they name */
    SKR_ADDRESS_HOLDING_ADDRESS = SKR_FIELD_COMMON_COUNT, /* ADDRESS */
    SKR_ADDRESS_HOLDING_KIND,                             /* ENUM adapter | learned | provider | vip | manual */
    SKR_ADDRESS_HOLDING_OWNER_KIND,                       /* TEXT: network-adapter, host, ip-allocation */
    SKR_ADDRESS_HOLDING_OWNER_ID,                         /* UUID */
    SKR_ADDRESS_HOLDING_OWNER_NAME,                       /* TEXT: then */
    SKR_ADDRESS_HOLDING_VM_NETWORK_ID,                    /* UUID nullable */
    SKR_ADDRESS_HOLDING_VM_SUBNET_ID,                     /* UUID nullable */
    SKR_ADDRESS_HOLDING_NETWORK_SITE_ID,                  /* UUID nullable, fabric */
    SKR_ADDRESS_HOLDING_IP_POOL_ID,                       /* UUID nullable, fabric: pools of sites are no tenant's */
    SKR_ADDRESS_HOLDING_HELD_FROM,                        /* TIME */
    SKR_ADDRESS_HOLDING_HELD_UNTIL,                       /* TIME nullable: null = now */
    SKR_ADDRESS_HOLDING_SOURCE_ID,                        /* UUID hidden: the row behind it */
    SKR_ADDRESS_HOLDING_FIELD_COUNT
};
