#include "cli/explain/private.h"

#include <skerry/address.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *skr_text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

enum skr_finding_state skr_finding_add(json_t *findings, enum skr_finding_state state, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    json_array_append_new(findings, json_pack("{s:i, s:s}", "state", (int)state, "text", text));
    return state;
}

enum skr_finding_state skr_explain_verdict(const json_t *findings)
{
    enum skr_finding_state verdict = SKR_FINDING_FINE;
    json_t *finding;
    size_t i;
    json_array_foreach (findings, i, finding) {
        int state = (int)json_integer_value(json_object_get(finding, "state"));
        if (state == SKR_FINDING_STOPS)
            return SKR_FINDING_STOPS;
        if (state == SKR_FINDING_UNCERTAIN)
            verdict = SKR_FINDING_UNCERTAIN;
    }
    return verdict;
}

/* ---- one end ---- */

static const json_t *status_of(const json_t *object)
{
    return json_object_get(object, "status");
}

static enum skr_finding_state check_bound(json_t *findings, const struct skr_explain_end *end)
{
    const json_t *status = status_of(end->adapter);
    const char *interface = skr_text_of(status, "bound_interface"), *reason = skr_text_of(status, "bound_reason");
    bool placed = end->host || json_is_string(json_object_get(end->adapter, "host_id"));
    if (json_is_true(json_object_get(status, "bound")) && *reason) /* what the host sees of the guest */
        return skr_finding_add(
                findings, strncmp(reason, "wrong_mac", 9) == 0 ? SKR_FINDING_STOPS : SKR_FINDING_UNCERTAIN,
                "the VM of %s has another MAC than its adapter: %s; set the VM's MAC to the adapter's, or "
                "give it a classification with mac_spoofing",
                end->name, reason);
    if (json_is_true(json_object_get(status, "bound")))
        return skr_finding_add(findings, SKR_FINDING_FINE, "%s is bound%s%s%s%s", end->name, *interface ? " to " : "",
                               interface, end->host ? " on host " : "",
                               end->host ? skr_text_of(end->host, "name") : "");
    if (strcmp(reason, "no_interface") == 0)
        return skr_finding_add(
                findings, SKR_FINDING_STOPS,
                "%s is unbound: no_interface; start its VM on %s%s, with the alias skerry:%s on the host's "
                "side of its NIC",
                end->name, end->host ? "host " : "its host", end->host ? skr_text_of(end->host, "name") : "",
                skr_text_of(end->adapter, "id"));
    return skr_finding_add(findings, SKR_FINDING_STOPS, "%s is unbound: %s", end->name,
                           *reason  ? reason
                           : placed ? "its host has no interface for it"
                                    : "it is on no host; start its VM with the interface alias skerry:<adapter id>, or "
                                      "set host_id");
}

static enum skr_finding_state check_host(json_t *findings, const struct skr_explain_end *end)
{
    const char *name = skr_text_of(end->host, "name");
    if (!end->host)
        return SKR_FINDING_FINE;
    if (json_is_false(json_object_get(status_of(end->host), "online")))
        return skr_finding_add(findings, SKR_FINDING_UNCERTAIN,
                               "host %s is offline: what it does now is what it was told last", name);
    return SKR_FINDING_FINE;
}

static enum skr_finding_state check_realized(json_t *findings, const struct skr_explain_end *end)
{
    const json_t *realization = json_object_get(status_of(end->adapter), "realization");
    const json_t *not_applied = json_object_get(json_object_get(realization, "hosts"), "not_applied");
    const char *state = skr_text_of(realization, "state");
    json_t *host;
    size_t i;
    if (!*state || strcmp(state, "realized") == 0 || strcmp(state, "unplaced") == 0) /* check_bound says that */
        return SKR_FINDING_FINE;
    bool failed = strcmp(state, "failed") == 0;
    skr_finding_add(findings, SKR_FINDING_UNCERTAIN, "%s is not realized everywhere: %s", end->name, state);
    json_array_foreach (not_applied, i, host) {
        const char *name = skr_text_of(host, "name"), *reason = skr_text_of(host, "reason");
        skr_finding_add(findings, SKR_FINDING_UNCERTAIN, "%s: %s%s%s", *name ? name : "a host",
                        skr_text_of(host, "state"), *reason ? ", " : "", reason);
    }
    return failed ? SKR_FINDING_UNCERTAIN : SKR_FINDING_FINE;
}

static enum skr_finding_state check_end(json_t *findings, const struct skr_explain_end *end)
{
    if (check_bound(findings, end) == SKR_FINDING_STOPS)
        return SKR_FINDING_STOPS;
    check_host(findings, end);
    check_realized(findings, end);
    return SKR_FINDING_FINE;
}

/* ---- the way ---- */

static const json_t *longest_route(const json_t *routes, const char *address)
{
    struct skr_address to;
    const json_t *best = NULL;
    unsigned best_length = 0;
    json_int_t best_metric = 0;
    json_t *route;
    size_t i;
    if (skr_address_parse(address, &to) < 0)
        return NULL;
    json_array_foreach (routes, i, route) {
        struct skr_prefix prefix;
        if (skr_prefix_parse(skr_text_of(route, "destination"), &prefix) < 0 || !skr_prefix_contains(&prefix, &to))
            continue;
        unsigned length = skr_prefix_length_128(&prefix);
        json_int_t metric = json_integer_value(json_object_get(route, "metric"));
        if (best && (length < best_length || (length == best_length && metric >= best_metric)))
            continue;
        best = route;
        best_length = length;
        best_metric = metric;
    }
    return best;
}

static enum skr_finding_state check_route(json_t *findings, const struct skr_explain_facts *facts)
{
    const char *address = facts->to.address, *subnet = skr_text_of(facts->from.adapter, "vm_subnet_id");
    const json_t *route = longest_route(facts->routes, address);
    if (!route)
        return skr_finding_add(findings, SKR_FINDING_STOPS, "no route: the VM network of %s has none to %s",
                               facts->from.name, address);
    const char *hop = skr_text_of(route, "next_hop");
    if (*hop)
        return skr_finding_add(findings, SKR_FINDING_UNCERTAIN,
                               "the route to %s goes by way of %s; what that VM does with it is its own affair",
                               skr_text_of(route, "destination"), hop);
    if (strcmp(skr_text_of(route, "vm_subnet_id"), subnet) == 0)
        return skr_finding_add(findings, SKR_FINDING_FINE, "%s is in the same VM subnet, %s", address,
                               skr_text_of(route, "destination"));
    return skr_finding_add(findings, SKR_FINDING_FINE, "the VM network's router has a route to %s, VM subnet %s",
                           address, skr_text_of(route, "destination"));
}

static enum skr_finding_state check_way(json_t *findings, const struct skr_explain_facts *facts)
{
    const struct skr_explain_end *to = &facts->to;
    if (to->adapter &&
        strcmp(skr_text_of(facts->from.adapter, "vm_network_id"), skr_text_of(to->adapter, "vm_network_id")) != 0)
        return skr_finding_add(findings, SKR_FINDING_STOPS,
                               "%s is in another VM network than %s, and nothing passes between VM networks", to->name,
                               facts->from.name);
    if (!to->address)
        return skr_finding_add(findings, SKR_FINDING_UNCERTAIN,
                               "%s has no address that the controller knows; by its MAC address it can be reached in "
                               "its own VM subnet",
                               to->name);
    enum skr_finding_state state = check_route(findings, facts);
    if (state == SKR_FINDING_FINE && !to->adapter)
        return skr_finding_add(findings, SKR_FINDING_STOPS, "no network adapter of the VM network has the address %s",
                               to->address);
    return state;
}

json_t *skr_explain(const struct skr_explain_facts *facts)
{
    json_t *findings = json_array();
    if (check_end(findings, &facts->from) == SKR_FINDING_STOPS)
        return findings;
    if (skr_explain_lists(findings, facts, false) == SKR_FINDING_STOPS)
        return findings;
    if (check_way(findings, facts) == SKR_FINDING_STOPS || !facts->to.adapter)
        return findings;
    if (check_end(findings, &facts->to) == SKR_FINDING_STOPS)
        return findings;
    skr_explain_lists(findings, facts, true);
    return findings;
}
