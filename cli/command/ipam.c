#include "cli/command/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Address management: who holds an address, how full what has pools is, and what overlaps. */

#define BAR_WIDTH 20

static int collect(void *arg, json_t *items, struct skr_error *error)
{
    (void)error;
    json_array_extend(arg, items);
    return 0;
}

static int parse_form(const struct skr_arguments *arguments, enum skr_form *ret, struct skr_error *error)
{
    return skr_form_parse(skr_arguments_flag(arguments, "output"), 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON, ret,
                          error);
}

static void print_rows(json_t *titles, json_t *rows, const char *nothing)
{
    if (json_array_size(rows))
        skr_table_print(titles, rows, stdout, skr_colour_wanted(stdout));
    else
        skr_say("%s", nothing);
    json_decref(titles);
    json_decref(rows);
}

static void print_json(json_t *items)
{
    json_t *whole = json_pack("{s:O}", "items", items);
    skr_json_print(whole, stdout);
    json_decref(whole);
}

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "";
}

/* ---- ipam find ---- */

/* Where the address is: its VM subnet, else its site, as far as they are still there. */
static char *place_of(struct skr_namer *namer, const json_t *holding)
{
    static const struct {
        const char *member;
        enum skr_resource_id kind;
    } places[] = {
            {"vm_subnet_id", SKR_VM_SUBNET}, {"vm_network_id", SKR_VM_NETWORK}, {"network_site_id", SKR_NETWORK_SITE}};
    for (size_t i = 0; i < SKR_ARRAY_SIZE(places); i++) {
        const char *id = json_string_value(json_object_get(holding, places[i].member));
        const char *name = id ? namer->name(namer->arg, skr_resource_get(places[i].kind), id) : NULL;
        if (id)
            return strdup(name ? name : id);
    }
    return strdup("");
}

/* The present holder stands first, then the history, the newest first. */
static void print_holdings(struct skr_session *session, const json_t *items, const char *address)
{
    struct skr_namer namer = skr_lookup_pather(session->lookup);
    json_t *rows = json_array();
    char nothing[128];
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = json_array_size(items); i-- > 0;) {
            const json_t *holding = json_array_get(items, i);
            const char *until = text_of(holding, "held_until");
            if ((pass == 0) != !*until)
                continue;
            char *place SKR_CLEANUP(skr_free_cleanup) = place_of(&namer, holding);
            json_array_append_new(rows,
                                  json_pack("[s, s, s, s, s, s]", text_of(holding, "owner_kind"),
                                            text_of(holding, "owner_name"), text_of(holding, "kind"),
                                            place ? place : "", text_of(holding, "held_from"), *until ? until : "now"));
        }
    snprintf(nothing, sizeof(nothing), "Nobody holds %.60s, and nobody did in the last 90 days", address);
    print_rows(json_pack("[s, s, s, s, s, s]", "HELD BY", "NAME", "AS", "IN", "FROM", "UNTIL"), rows, nothing);
}

int skr_command_ipam_find(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    struct skr_request_path path;
    enum skr_form form;
    if (arguments->word_count != 1)
        return skr_usage_because(command, "ipam find takes one address");
    if (parse_form(arguments, &form, &error) < 0)
        return skr_usage(command, &error);
    int r = skr_session_open(arguments, &session, &error);
    if (r < 0)
        return skr_fail(&error);
    json_t *items = json_array();
    skr_path_set(&path, "/v1/%s", skr_resource_get(SKR_ADDRESS_HOLDING)->collection);
    skr_path_add(&path, "address", arguments->words[0]);
    r = skr_client_list(session.client, &path, collect, items, NULL, &error);
    if (r == 0 && form == SKR_FORM_JSON)
        print_json(items);
    else if (r == 0)
        print_holdings(&session, items, arguments->words[0]);
    json_decref(items);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}

/* ---- ipam utilization ---- */

/* "45%", and on a terminal a bar in front of it. */
static void format_used(double total, double free, bool terminal, char *out, size_t size)
{
    double used = total > 0 ? (total - free) / total : 0;
    char bar[BAR_WIDTH + 1];
    int full = (int)(used * BAR_WIDTH + 0.5);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '#' : '-';
    bar[BAR_WIDTH] = '\0';
    snprintf(out, size, "%s%s%.0f%%", terminal ? bar : "", terminal ? " " : "", used * 100);
}

static void add_used(json_t *rows, json_t *found, struct skr_lookup *lookup, const struct skr_resource *resource,
                     const json_t *object)
{
    static const char *const counts[] = {"total", "allocated", "reserved", "vip", "free"};
    const json_t *used = skr_shown_member(object, "utilization");
    char text[BAR_WIDTH + 16];
    if (!strcmp(text_of(used, "total"), "0") || !*text_of(used, "total"))
        return; /* it has no pools */
    char *name SKR_CLEANUP(skr_free_cleanup) = skr_lookup_path(lookup, resource, object);
    json_t *row = json_pack("[s, s]", resource->name, name ? name : "");
    for (size_t i = 0; i < SKR_ARRAY_SIZE(counts); i++)
        json_array_append_new(row, json_string(text_of(used, counts[i])));
    format_used(strtod(text_of(used, "total"), NULL), strtod(text_of(used, "free"), NULL), isatty(STDOUT_FILENO) == 1,
                text, sizeof(text));
    json_array_append_new(row, json_string(text));
    json_array_append_new(rows, row);
    json_array_append_new(
            found, json_pack("{s:s, s:s, s:O}", "kind", resource->name, "name", name ? name : "", "utilization", used));
}

/* Kinds that a tenant may not list are left out here too. */
static int add_kind(struct skr_session *session, const struct skr_resource *resource, json_t *rows, json_t *found,
                    struct skr_error *error)
{
    json_t *items = json_array(), *item;
    struct skr_request_path path;
    size_t i;
    skr_path_set(&path, "/v1/%s", resource->collection);
    int r = skr_client_list(session->client, &path, collect, items, NULL, error);
    if (r < 0 && error->tag == SKR_ERROR_FORBIDDEN) {
        skr_error_clear(error);
        r = 0;
    }
    json_array_foreach (items, i, item)
        add_used(rows, found, session->lookup, resource, item);
    json_decref(items);
    return r;
}

int skr_command_ipam_utilization(const struct skr_command *command, const struct skr_arguments *arguments)
{
    static const enum skr_resource_id kinds[] = {SKR_LOGICAL_NETWORK, SKR_NETWORK_SITE, SKR_VM_SUBNET, SKR_IP_POOL};
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    enum skr_form form;
    if (arguments->word_count)
        return skr_usage_because(command, "ipam utilization takes no words; skerryctl get KIND NAME shows one");
    if (parse_form(arguments, &form, &error) < 0)
        return skr_usage(command, &error);
    int r = skr_session_open(arguments, &session, &error);
    json_t *rows = json_array(), *found = json_array();
    for (size_t i = 0; r == 0 && i < SKR_ARRAY_SIZE(kinds); i++)
        r = add_kind(&session, skr_resource_get(kinds[i]), rows, found, &error);
    if (r == 0 && form == SKR_FORM_JSON)
        print_json(found);
    else if (r == 0)
        print_rows(json_pack("[s, s, s, s, s, s, s, s]", "KIND", "NAME", "TOTAL", "ALLOCATED", "RESERVED", "VIP",
                             "FREE", "USED"),
                   json_incref(rows), "There are no IP pools");
    json_decref(rows);
    json_decref(found);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}

/* ---- ipam overlaps ---- */

static void print_overlaps(const json_t *answer)
{
    json_t *rows = json_array(), *item;
    size_t i;
    json_array_foreach (json_object_get(answer, "items"), i, item) {
        json_t *row = json_array();
        static const char *const sides[] = {"first", "second"};
        for (size_t side = 0; side < SKR_ARRAY_SIZE(sides); side++) {
            const json_t *thing = json_object_get(item, sides[side]);
            const json_t *vlan = json_object_get(thing, "vlan_id");
            char text[32];
            snprintf(text, sizeof(text), "VLAN %" JSON_INTEGER_FORMAT, json_integer_value(vlan));
            json_array_append_new(row, json_sprintf("%s/%s", text_of(thing, "parent"), text_of(thing, "name")));
            json_array_append_new(row, json_string(json_is_integer(vlan) ? text : text_of(thing, "prefix")));
        }
        json_array_append_new(rows, row);
    }
    print_rows(json_pack("[s, s, s, s]", "ONE", "HAS", "OTHER", "HAS"), rows, "Nothing overlaps");
    if (json_is_false(json_object_get(answer, "complete")))
        skr_say("There are more; these are the first %zu", json_array_size(json_object_get(answer, "items")));
}

int skr_command_ipam_overlaps(const struct skr_command *command, const struct skr_arguments *arguments)
{
    const char *tenant = skr_arguments_flag(arguments, "tenant");
    struct skr_session session SKR_CLEANUP(skr_session_close) = {0};
    struct skr_error error = {0};
    struct skr_request_path path;
    json_t *object = NULL, *answer = NULL;
    enum skr_form form;
    if (arguments->word_count)
        return skr_usage_because(command, "ipam overlaps takes no words; --tenant TENANT says whose");
    if (parse_form(arguments, &form, &error) < 0)
        return skr_usage(command, &error);
    int r = skr_session_open(arguments, &session, &error);
    skr_path_set(&path, "/v1/overlaps");
    if (r == 0 && tenant)
        r = skr_lookup_find(session.lookup, skr_resource_get(SKR_TENANT), tenant, &object, &error);
    if (object)
        skr_path_add(&path, "tenant_id", text_of(object, "id"));
    if (r == 0)
        r = skr_client_get(session.client, path.text, &answer, &error);
    if (r == 0 && form == SKR_FORM_JSON)
        skr_json_print(answer, stdout);
    else if (r == 0)
        print_overlaps(answer);
    json_decref(object);
    json_decref(answer);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}
