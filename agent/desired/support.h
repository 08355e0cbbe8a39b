/* These functions say which parts of desired state this agent does not support. A text is NULL when everything is
 * supported, else "not_supported: <what> is not supported by this agent...", as it goes into a failure. Pure functions;
 * the texts are as long as the buffer. */
#pragma once

#include "agent/desired/body.h"

#define SKR_SUPPORT_TEXT_MAX 200

/* A host switch of type external with one uplink and nothing else is supported. */
const char *skr_support_host_switch(const Skerry__V1__HostSwitch *host_switch, char out[static SKR_SUPPORT_TEXT_MAX]);
/* Why the port must stay closed: it asks for isolation or for access control that would not be enforced. */
const char *skr_support_port_closed(const Skerry__V1__Port *port, char out[static SKR_SUPPORT_TEXT_MAX]);
/* The text names the settings that the port does without; the port works all the same. */
const char *skr_support_port_settings(const Skerry__V1__Port *port, char out[static SKR_SUPPORT_TEXT_MAX]);
/* Why the ports of the VM subnet must stay closed. */
const char *skr_support_subnet(const Skerry__V1__Subnet *subnet, char out[static SKR_SUPPORT_TEXT_MAX]);
/* Nothing of the VM network works without its encapsulation. */
const char *skr_support_domain(const Skerry__V1__Domain *domain, char out[static SKR_SUPPORT_TEXT_MAX]);
/* False: it has a type that only a newer agent has, and does not work at all. */
bool skr_support_record_type(const Skerry__V1__Record *record);
/* A record works without its address, which is nobody's then; a route and a provider address do not work at all. */
const char *skr_support_record(const Skerry__V1__Record *record, char out[static SKR_SUPPORT_TEXT_MAX]);
const char *skr_support_customer_route(const Skerry__V1__CustomerRoute *route, char out[static SKR_SUPPORT_TEXT_MAX]);
const char *skr_support_provider_address(const Skerry__V1__ProviderAddress *address,
                                         char out[static SKR_SUPPORT_TEXT_MAX]);
/* An object of a type that only a newer agent has, or an access control list. */
const char *skr_support_object(Skerry__V1__ObjectType type, char out[static SKR_SUPPORT_TEXT_MAX]);
