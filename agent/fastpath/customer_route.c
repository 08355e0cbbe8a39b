/* Customer routes: a prefix that is reached through an address of one of the VM network's own subnets. Of routes to the
 * same prefix the lowest metric counts, then the lowest id; what a subnet is itself, no route changes. */
#include "agent/fastpath/program_private.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static struct skr_program_owner owner_of(struct skr_program_domain *domain,
                                         const struct skr_program_customer_route *route)
{
    return (struct skr_program_owner){
            .id = route->id, .domain = domain, .type = SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_CUSTOMER_ROUTE};
}

static struct skr_abi_route_key key_of(uint32_t number, const struct skr_prefix *prefix)
{
    return (struct skr_abi_route_key){.prefix_bits = 32 + skr_prefix_length_128(prefix),
                                      .domain = htonl(number),
                                      .destination = skr_program_abi(&prefix->address)};
}

static bool same_prefix(const struct skr_prefix *a, const struct skr_prefix *b)
{
    return a->length == b->length && skr_address_compare(&a->address, &b->address) == 0;
}

static const struct skr_program_subnet *subnet_with(const struct skr_program_domain *domain,
                                                    const struct skr_address *address)
{
    for (const struct skr_program_subnet *subnet = domain->subnets; subnet; subnet = subnet->hh.next)
        if (skr_prefix_contains(&subnet->prefix, address))
            return subnet;
    return NULL;
}

static bool is_subnet(const struct skr_program_domain *domain, const struct skr_prefix *prefix)
{
    for (const struct skr_program_subnet *subnet = domain->subnets; subnet; subnet = subnet->hh.next)
        if (same_prefix(&subnet->prefix, prefix))
            return true;
    return false;
}

static bool is_best(const struct skr_program_domain *domain, const struct skr_program_customer_route *route)
{
    for (const struct skr_program_customer_route *other = domain->routes; other; other = other->hh.next)
        if (other != route && same_prefix(&other->destination, &route->destination) &&
            (other->metric < route->metric ||
             (other->metric == route->metric && skr_uuid_compare(&other->id, &route->id) < 0)))
            return false;
    return true;
}

static const char *route_waits(const struct skr_program_domain *domain, const struct skr_program_customer_route *route,
                               const struct skr_program_subnet *subnet)
{
    if (route->refused[0])
        return route->refused;
    if (!domain->known)
        return "waiting: the VM network itself has not arrived";
    return subnet ? NULL : "waiting: the VM subnet of the next hop has not arrived";
}

static void withdraw(struct skr_program *program, struct skr_program_domain *domain,
                     struct skr_program_customer_route *route)
{
    struct skr_program_owner owner = owner_of(domain, route);
    struct skr_abi_route_key key = key_of(route->asserted_number, &route->destination);
    if (route->asserted)
        skr_program_take_back(program, SKR_TABLE_ROUTES, &key, &owner);
    route->asserted = false;
}

static void assert_route(struct skr_program *program, struct skr_program_domain *domain,
                         struct skr_program_customer_route *route)
{
    const struct skr_program_subnet *subnet = subnet_with(domain, &route->next_hop);
    struct skr_program_owner owner = owner_of(domain, route);
    const char *failure = route_waits(domain, route, subnet);
    withdraw(program, domain, route);
    skr_program_fail(program, &owner, SKR_DESIRED_PLACE, failure);
    if (failure || is_subnet(domain, &route->destination) || !is_best(domain, route))
        return;
    struct skr_abi_route_key key = key_of(domain->number, &route->destination);
    struct skr_abi_route value = {.vsid = subnet->vsid, .next_hop = skr_program_abi(&route->next_hop)};
    skr_program_ask(program, SKR_TABLE_ROUTES, &key, &owner, &value);
    route->asserted = true;
    route->asserted_number = domain->number;
}

void skr_program_customer_routes_settle(struct skr_program *program, struct skr_program_domain *domain)
{
    for (struct skr_program_customer_route *route = domain->routes; route; route = route->hh.next)
        assert_route(program, domain, route);
}

void skr_program_customer_route_change(struct skr_program *program, struct skr_program_domain *domain,
                                       const struct skr_desired_change *change)
{
    const Skerry__V1__CustomerRoute *message = (const void *)change->after;
    struct skr_program_customer_route *route;
    char text[SKR_SUPPORT_TEXT_MAX];
    HASH_FIND(hh, domain->routes, &change->id, sizeof(change->id), route);
    domain->touched = true; /* its routes are settled together, at the end */
    if (route)
        withdraw(program, domain, route);
    if (!message) {
        if (route)
            HASH_DELETE(hh, domain->routes, route);
        free(route);
        return;
    }
    if (!route) {
        route = skr_must(calloc(1, sizeof(*route)));
        route->id = change->id;
        HASH_ADD(hh, domain->routes, id, sizeof(route->id), route);
    }
    const char *refused = skr_support_customer_route(message, text);
    snprintf(route->refused, sizeof(route->refused), "%s", refused ? refused : "");
    skr_body_prefix(&message->destination, message->prefix_length, &route->destination);
    skr_body_address(&message->next_hop, &route->next_hop);
    route->metric = message->metric;
}

void skr_program_customer_routes_free(struct skr_program_domain *domain)
{
    struct skr_program_customer_route *route, *next;
    HASH_ITER (hh, domain->routes, route, next) {
        HASH_DELETE(hh, domain->routes, route);
        free(route);
    }
}
