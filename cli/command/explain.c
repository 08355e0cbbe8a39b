#include "cli/command/command.h"

#include "cli/explain/explain.h"

#include <skerry/address.h>
#include <string.h>

/* explain FROM TO: collects what the controller shows of both ends and of the way, and prints what follows from it.
 * Objects that the user may not see (hosts, for a tenant) are left out. */

struct collecting {
    struct skr_session *session;
    struct skr_explain_facts facts;
    char *names[2];
    json_t *objects; /* keeps everything that the facts borrow */
};

static json_t *keep(struct collecting *collecting, json_t *object)
{
    if (object)
        json_array_append_new(collecting->objects, object);
    return object;
}

static json_t *get(struct collecting *collecting, const char *collection, const char *id)
{
    struct skr_request_path path;
    json_t *object = NULL;
    if (!id)
        return NULL;
    skr_path_set(&path, "/v1/%s/%s", collection, id);
    return skr_client_get(collecting->session->client, path.text, &object, NULL) < 0 ? NULL : keep(collecting, object);
}

static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static json_t *lists_of(struct collecting *collecting, const json_t *owner)
{
    json_t *lists = keep(collecting, json_array()), *id;
    size_t i;
    json_array_foreach (json_object_get(owner, "acl_ids"), i, id)
        json_array_append(lists, get(collecting, "access-control-lists", json_string_value(id)));
    return lists;
}

static void collect_end(struct collecting *collecting, struct skr_explain_end *end, json_t *adapter)
{
    const json_t *status = json_object_get(adapter, "status");
    const char *address = json_string_value(json_array_get(json_object_get(adapter, "ip_addresses"), 0));
    end->adapter = adapter;
    end->host = get(collecting, "hosts", member(adapter, "host_id"));
    end->adapter_lists = lists_of(collecting, adapter);
    end->subnet_lists = lists_of(collecting, get(collecting, "vm-subnets", member(adapter, "vm_subnet_id")));
    if (!end->address)
        end->address =
                address ? address : json_string_value(json_array_get(json_object_get(status, "learned_addresses"), 0));
}

static int add_page(void *arg, json_t *items, struct skr_error *error)
{
    (void)error;
    return json_array_extend(arg, items);
}

static json_t *list_of_network(struct collecting *collecting, const char *collection, const char *network,
                               const char *filter, const char *value)
{
    struct skr_request_path path;
    json_t *items = keep(collecting, json_array());
    skr_path_set(&path, "/v1/%s?vm_network_id=%s", collection, network ? network : "");
    if (filter)
        skr_path_add(&path, filter, value);
    skr_client_list(collecting->session->client, &path, add_page, items, NULL, NULL);
    return items;
}

/* TO as an address: the adapter that has it in FROM's VM network. */
static void collect_address(struct collecting *collecting, const char *text, const char *network)
{
    struct skr_explain_end *to = &collecting->facts.to;
    json_t *records = list_of_network(collecting, "lookup-records", network, "customer_address", text);
    json_t *adapter = get(collecting, "network-adapters", member(json_array_get(records, 0), "network_adapter_id"));
    to->name = to->address = text;
    if (!adapter)
        return;
    collecting->names[1] = skr_lookup_path(collecting->session->lookup, skr_resource_get(SKR_NETWORK_ADAPTER), adapter);
    to->name = collecting->names[1];
    collect_end(collecting, to, adapter);
}

static int collect_named(struct collecting *collecting, unsigned which, const char *text, struct skr_error *error)
{
    struct skr_explain_end *end = which ? &collecting->facts.to : &collecting->facts.from;
    const struct skr_resource *adapters = skr_resource_get(SKR_NETWORK_ADAPTER);
    json_t *adapter = NULL;
    int r = skr_lookup_find(collecting->session->lookup, adapters, text, &adapter, error);
    if (r < 0)
        return r;
    keep(collecting, adapter);
    collecting->names[which] = skr_lookup_path(collecting->session->lookup, adapters, adapter);
    end->name = collecting->names[which];
    collect_end(collecting, end, adapter);
    return 0;
}

static int collect(struct collecting *collecting, const char *from, const char *to, struct skr_error *error)
{
    struct skr_address address;
    int r = collect_named(collecting, 0, from, error);
    if (r < 0)
        return r;
    const char *network = member(collecting->facts.from.adapter, "vm_network_id");
    collecting->facts.routes = list_of_network(collecting, "effective-routes", network, NULL, NULL);
    if (skr_address_parse(to, &address) < 0)
        return collect_named(collecting, 1, to, error);
    collect_address(collecting, to, network);
    return 0;
}

static void print(const json_t *findings, enum skr_form form, const struct skr_explain_facts *facts)
{
    static const char *const marks[] = {
            [SKR_FINDING_FINE] = "yes", [SKR_FINDING_STOPS] = "no", [SKR_FINDING_UNCERTAIN] = "perhaps"};
    static const char *const colours[] = {
            [SKR_FINDING_FINE] = "\033[32m", [SKR_FINDING_STOPS] = "\033[31m", [SKR_FINDING_UNCERTAIN] = "\033[33m"};
    enum skr_finding_state verdict = skr_explain_verdict(findings);
    bool colour = skr_colour_wanted(stdout);
    json_t *finding;
    size_t i;
    if (form == SKR_FORM_JSON) {
        json_t *whole = json_object();
        json_t *steps = json_array();
        json_object_set_new(whole, "reaches", json_string(marks[verdict]));
        json_array_foreach (findings, i, finding)
            json_array_append_new(steps, json_pack("{s:s, s:O}", "verdict",
                                                   marks[json_integer_value(json_object_get(finding, "state"))], "text",
                                                   json_object_get(finding, "text")));
        json_object_set_new(whole, "findings", steps);
        skr_json_print(whole, stdout);
        json_decref(whole);
        return;
    }
    json_array_foreach (findings, i, finding) {
        int state = (int)json_integer_value(json_object_get(finding, "state"));
        char *text SKR_CLEANUP(skr_free_cleanup) = strdup(member(finding, "text"));
        skr_text_tame(text);
        printf("  %s%-7s%s  %s\n", colour ? colours[state] : "", marks[state], colour ? "\033[0m" : "", text);
    }
    printf("%s %s %s\n", facts->from.name,
           verdict == SKR_FINDING_FINE    ? "reaches"
           : verdict == SKR_FINDING_STOPS ? "cannot reach"
                                          : "may reach",
           facts->to.name);
}

static int parse_flags(const struct skr_arguments *arguments, struct skr_explain_facts *facts, enum skr_form *ret_form,
                       struct skr_error *error)
{
    const char *protocol = skr_arguments_flag(arguments, "protocol"), *port = skr_arguments_flag(arguments, "port");
    facts->protocol = protocol ? skr_protocol_parse(protocol) : -1;
    facts->port = -1;
    if (protocol && facts->protocol < 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX,
                             "--protocol takes tcp, udp, icmp, icmpv6 or a number, not '%.40s'", protocol);
    if (port) {
        char *end;
        long number = strtol(port, &end, 10);
        if (*end || number < 1 || number > 65535)
            return skr_error_set(error, SKR_ERROR_SYNTAX, "--port takes a number from 1 to 65535, not '%.40s'", port);
        facts->port = (int)number;
    }
    return skr_form_parse(skr_arguments_flag(arguments, "output"), 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON, ret_form,
                          error);
}

int skr_command_explain(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct collecting collecting = {.session = &session};
    struct skr_error error = {0};
    enum skr_form form = SKR_FORM_TABLE;
    int code = SKR_EXIT_DONE;
    if (arguments->word_count != 2)
        return skr_usage_because(command, "explain takes two network adapters, or one and an address");
    if (parse_flags(arguments, &collecting.facts, &form, &error) < 0)
        return skr_usage(command, &error);
    collecting.objects = json_array();
    int r = skr_session_open(arguments, &session, &error);
    if (r == 0)
        r = collect(&collecting, arguments->words[0], arguments->words[1], &error);
    if (r < 0) {
        code = skr_fail(&error);
    } else {
        json_t *findings = skr_explain(&collecting.facts);
        print(findings, form, &collecting.facts);
        code = skr_explain_verdict(findings) == SKR_FINDING_STOPS ? SKR_EXIT_FAILED : SKR_EXIT_DONE;
        json_decref(findings);
    }
    json_decref(collecting.objects);
    free(collecting.names[0]);
    free(collecting.names[1]);
    return code;
}
