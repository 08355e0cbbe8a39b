/* Every reason to drop a packet, once: X(NAME, "text"). A drop without a reason does not exist. The numbers are the
 * order of the list; new ones go to the end (counters are state and outlive programs). */
#pragma once

#define SKR_DROP_REASONS(X)                                                                                            \
    X(NONE, "not dropped")                                                                                             \
    X(TRUNCATED, "the frame ends before its headers do")                                                               \
    X(GUEST_VLAN_TAG, "a guest sent a frame with its own 802.1Q tag")                                                  \
    X(SOURCE_MAC, "source MAC is not the adapter's")                                                                   \
    X(SOURCE_ADDRESS, "source address is not held by the adapter")                                                     \
    X(ARP_SPOOFED, "ARP names an address or MAC the adapter does not hold")                                            \
    X(DHCP_GUARD, "a guest answered as a DHCP server")                                                                 \
    X(ROUTER_GUARD, "a guest sent a router advertisement or a redirect")                                               \
    X(NO_SUBNET, "the port's VM subnet is not programmed")                                                             \
    X(UNKNOWN_DESTINATION, "no lookup record for the destination")                                                     \
    X(NO_ROUTE, "no route in the routing domain")                                                                      \
    X(TTL_EXCEEDED, "time to live ended at the gateway")                                                               \
    X(NOT_IPV4, "protocol is not carried by this VM subnet")                                                           \
    X(TOO_BIG, "larger than the MTU of the path")                                                                      \
    X(GSO_UNSUPPORTED, "segmentation type cannot be encapsulated")                                                     \
    X(NO_PROVIDER_ADDRESS, "no provider address to send from or to")                                                   \
    X(NO_NEIGHBOR, "next hop of the provider address is not resolved")                                                 \
    X(ENCAPSULATION_FAILED, "the kernel refused to make room for the outer headers")                                   \
    X(DECAPSULATION_FAILED, "the kernel refused to remove the outer headers")                                          \
    X(OUTER_FRAGMENT, "encapsulated packet is an IP fragment")                                                         \
    X(OUTER_INVALID, "outer headers break RFC 7637 or RFC 7348")                                                       \
    X(UNKNOWN_VSID, "virtual subnet ID is not on this host")                                                           \
    X(NOT_A_MEMBER, "sending host is not a member of the VM network")                                                  \
    X(SOURCE_RECORD, "inner source MAC is not at the sending host")                                                    \
    X(WRONG_UPLINK, "arrived on an uplink that does not carry this provider address")                                  \
    X(NOT_LOCAL, "destination adapter is not on this host")                                                            \
    X(UNBOUND, "destination adapter has no interface")                                                                 \
    X(FLOOD_INCOMPLETE, "a copy of a broadcast could not be made")                                                     \
    X(INTERNAL, "the tables contradict each other")                                                                    \
    X(UNKNOWN_PORT, "the interface is not bound to an adapter")                                                        \
    X(LINK_LOCAL_GROUP, "a frame for the link alone, which no switch forwards (IEEE 802.1D)")                          \
    X(GATEWAY_PROTOCOL, "the gateway answers nothing but ARP and ping")                                                \
    X(NOT_ADDRESSED, "outer destination MAC is not the uplink's")                                                      \
    X(CONGESTION_MARK, "congestion was marked on a packet whose sender cannot be told (RFC 6040)")                     \
    X(PORT_CLOSED, "the port is closed: no adapter is on it, or what it asks for cannot be enforced here")             \
    X(PROVIDER_SUBNET, "a port that is not virtualized sent to or from a subnet of provider addresses")                \
    X(NOT_CURRENT, "the VM is moving here, and this host has not been told everything yet")                            \
    X(STRAGGLER_LOOP, "a frame for a VM that moved away went round until its time to live ended")                      \
    X(BRIDGE_PROTOCOL, "a guest spoke a protocol of bridges (CDP, VTP, PVST+, GVRP or the like)")                      \
    X(UNREADABLE, "a guarded port sent what its guards cannot read (LLC/SNAP, MPLS, an unknown EtherType)")            \
    X(CHECKSUM, "the checksum of the IPv4 header is wrong")                                                            \
    X(UPLINK_MTU, "larger than this host's uplink carries, which is less than the VM network's MTU")                   \
    X(WRONG_ENCAPSULATION, "came in another encapsulation than the VM network's")                                      \
    X(SENDER_ADDRESS, "inner source address is not at the sending host")

enum skr_drop_reason {
#define SKR_DROP_ENUM(name, text) SKR_DROP_##name,
    SKR_DROP_REASONS(SKR_DROP_ENUM)
#undef SKR_DROP_ENUM
            SKR_DROP_REASON_COUNT
};
