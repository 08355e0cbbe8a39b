#include "cli/explain/private.h"

#include <skerry/address.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Access control lists, as the model defines them: no list, everything passes; any rule in a direction, what no rule
 * allows is denied; higher weight first, then deny before allow; meter counts and goes on. Lists of the adapter and of
 * its VM subnet must both allow. */

static const struct {
    const char *name;
    int number;
} protocols[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"icmpv6", 58}};

int skr_protocol_parse(const char *text)
{
    char *end;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(protocols); i++)
        if (strcasecmp(text, protocols[i].name) == 0)
            return protocols[i].number;
    long number = strtol(text, &end, 10);
    return *text && !*end && number >= 0 && number <= 255 ? (int)number : -1;
}

enum match { NO_MATCH, PARTLY, MATCH };

static enum match both(enum match a, enum match b)
{
    return a < b ? a : b;
}

static enum match match_protocol(const json_t *rule, int protocol)
{
    const char *text = skr_text_of(rule, "protocol");
    if (!*text || strcmp(text, "any") == 0)
        return MATCH;
    return protocol < 0 ? PARTLY : skr_protocol_parse(text) == protocol ? MATCH : NO_MATCH;
}

static enum match match_prefix(const json_t *rule, const char *member, const char *address)
{
    struct skr_prefix prefix;
    struct skr_address one;
    const char *text = skr_text_of(rule, member);
    if (!*text || skr_prefix_parse(text, &prefix) < 0)
        return MATCH;
    if (!address || skr_address_parse(address, &one) < 0)
        return PARTLY;
    return skr_prefix_contains(&prefix, &one) ? MATCH : NO_MATCH;
}

/* `port` -1: any. A rule for some ports then is met by some packets. */
static enum match match_ports(const json_t *rule, const char *member, int port)
{
    int first, last;
    const char *text = skr_text_of(rule, member);
    if (!*text)
        return MATCH;
    int read = sscanf(text, "%d-%d", &first, &last);
    if (read < 1 || port < 0)
        return PARTLY;
    return port >= first && port <= (read == 2 ? last : first) ? MATCH : NO_MATCH;
}

static enum match match_rule(const json_t *rule, const struct skr_explain_facts *facts, bool incoming)
{
    const struct skr_explain_end *here = incoming ? &facts->to : &facts->from;
    const struct skr_explain_end *there = incoming ? &facts->from : &facts->to;
    enum match result = match_protocol(rule, facts->protocol);
    result = both(result, match_prefix(rule, "local", here->address));
    result = both(result, match_prefix(rule, "remote", there->address));
    /* The sender's port is anything. */
    result = both(result, match_ports(rule, "local_ports", incoming ? facts->port : -1));
    return both(result, match_ports(rule, "remote_ports", incoming ? -1 : facts->port));
}

/* Is `a` looked at before `b`? */
static bool is_before(const json_t *a, const json_t *b)
{
    json_int_t weight_a = json_integer_value(json_object_get(a, "weight"));
    json_int_t weight_b = json_integer_value(json_object_get(b, "weight"));
    if (weight_a != weight_b)
        return weight_a > weight_b;
    return strcmp(skr_text_of(a, "action"), "deny") == 0 && strcmp(skr_text_of(b, "action"), "deny") != 0;
}

struct verdict {
    const json_t *decides, *partly; /* rules; `partly` met first, by some packets alone */
    const char *decides_list, *partly_list;
    bool any; /* there is a rule in this direction */
};

static void take_list(struct verdict *verdict, const json_t *list, const struct skr_explain_facts *facts, bool incoming)
{
    json_t *rule;
    size_t i;
    json_array_foreach (json_object_get(list, "rules"), i, rule) {
        if (strcmp(skr_text_of(rule, "direction"), incoming ? "in" : "out") != 0)
            continue;
        verdict->any = true;
        enum match match = match_rule(rule, facts, incoming);
        if (match == NO_MATCH || strcmp(skr_text_of(rule, "action"), "meter") == 0)
            continue;
        if (match == MATCH && (!verdict->decides || is_before(rule, verdict->decides))) {
            verdict->decides = rule;
            verdict->decides_list = skr_text_of(list, "name");
        } else if (match == PARTLY && (!verdict->partly || is_before(rule, verdict->partly))) {
            verdict->partly = rule;
            verdict->partly_list = skr_text_of(list, "name");
        }
    }
}

static enum skr_finding_state tell(json_t *findings, const struct verdict *verdict, const char *whose,
                                   const char *direction)
{
    const json_t *rule = verdict->decides;
    bool denied = rule ? strcmp(skr_text_of(rule, "action"), "deny") == 0 : true;
    bool matters = verdict->partly && (!rule || is_before(verdict->partly, rule)) &&
                   denied != (strcmp(skr_text_of(verdict->partly, "action"), "deny") == 0);
    if (matters)
        return skr_finding_add(findings, SKR_FINDING_UNCERTAIN,
                               "rule \"%s\" of access control list \"%s\" (%s, %s) %s some of it; say --protocol and "
                               "--port",
                               skr_text_of(verdict->partly, "name"), verdict->partly_list, whose, direction,
                               denied ? "allows" : "denies");
    if (!rule)
        return skr_finding_add(
                findings, SKR_FINDING_STOPS,
                "no rule of the access control lists of the %s allows it %s, and there are rules: denied", whose,
                direction);
    return skr_finding_add(findings, denied ? SKR_FINDING_STOPS : SKR_FINDING_FINE,
                           "rule \"%s\" of access control list \"%s\" (%s, %s) %s it", skr_text_of(rule, "name"),
                           verdict->decides_list, whose, direction, denied ? "denies" : "allows");
}

static enum skr_finding_state judge(json_t *findings, const json_t *lists, const struct skr_explain_facts *facts,
                                    bool incoming, const char *whose)
{
    struct verdict verdict = {0};
    json_t *list;
    size_t i;
    json_array_foreach (lists, i, list)
        take_list(&verdict, list, facts, incoming);
    return verdict.any ? tell(findings, &verdict, whose, incoming ? "in" : "out") : SKR_FINDING_FINE;
}

enum skr_finding_state skr_explain_lists(json_t *findings, const struct skr_explain_facts *facts, bool incoming)
{
    const struct skr_explain_end *end = incoming ? &facts->to : &facts->from;
    char adapter[300], subnet[300];
    snprintf(adapter, sizeof(adapter), "adapter %.250s", end->name);
    snprintf(subnet, sizeof(subnet), "VM subnet of %.250s", end->name);
    if (judge(findings, end->adapter_lists, facts, incoming, adapter) == SKR_FINDING_STOPS)
        return SKR_FINDING_STOPS;
    return judge(findings, end->subnet_lists, facts, incoming, subnet);
}
