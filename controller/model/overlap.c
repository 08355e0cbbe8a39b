/* This file finds overlaps: of VM subnets of one tenant across its VM networks, of subnets of sites, and of VLANs that
 * sites of several logical networks use at the same hosts. Prefixes are read in their order, where each one follows
 * those that contain it: a stack of what is still open tells all pairs in one pass. */
#include "controller/model/rules.h"

#define PREFIXES_MAX 10000 /* that one answer looks at */
#define PAIRS_MAX    1000  /* that it tells */

static const struct skr_query subnets_of_tenant = {
        "SELECT s.prefix, s.id, s.name, n.id, n.name FROM vm_subnet s JOIN vm_network n ON n.id = s.vm_network_id "
        "WHERE s.tenant_id = ?1 ORDER BY s.prefix LIMIT ?2"};
static const struct skr_query subnets_of_sites = {
        "SELECT v.subnet, s.id, s.name, n.id, n.name FROM network_site_subnet_vlans v "
        "JOIN network_site s ON s.id = v.owner_id JOIN logical_network n ON n.id = s.logical_network_id "
        "WHERE v.subnet > ?1 ORDER BY v.subnet LIMIT ?2"};
static const struct skr_query vlans_of_sites = {
        "SELECT v.vlan_id, s.id, s.name, n.id, n.name FROM network_site_subnet_vlans v "
        "JOIN network_site s ON s.id = v.owner_id JOIN logical_network n ON n.id = s.logical_network_id "
        "WHERE v.vlan_id > ?1 ORDER BY v.vlan_id, v.owner_id LIMIT ?2"};
static const struct skr_query groups_of_site = {
        "SELECT target_id FROM network_site_host_group_ids WHERE owner_id = ?1 ORDER BY position"};

struct thing {
    struct skr_prefix prefix;
    int64_t vlan_id;
    struct skr_uuid id, parent_id;
    char *name, *parent;
    struct skr_ids groups, chains; /* of a site: its host groups, and these with all above them; read when asked for */
    bool placed;
};

struct things {
    const char *kind;
    struct thing *items;
    size_t count;
};

static void things_cleanup(struct things *things)
{
    for (size_t i = 0; i < things->count; i++) {
        free(things->items[i].name);
        free(things->items[i].parent);
        skr_ids_cleanup(&things->items[i].groups);
        skr_ids_cleanup(&things->items[i].chains);
    }
    free(things->items);
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text ? text : "");
    if (!copy)
        abort();
    return copy;
}

/* Reads the rows of a bound statement: a prefix or a VLAN, id, name, id and name of the parent. */
static int read_things(struct skr_statement *statement, bool vlans, struct things *things, struct skr_error *error)
{
    int r = 0;
    things->items = calloc(PREFIXES_MAX, sizeof(*things->items));
    if (!things->items)
        abort();
    while ((r = skr_step(statement, error)) > 0) {
        if (things->count == PREFIXES_MAX) {
            r = skr_error_set(error, SKR_ERROR_LIMIT,
                              "There are more than %d prefixes to compare; ask for one tenant that has fewer.",
                              PREFIXES_MAX);
            break;
        }
        struct thing *thing = &things->items[things->count++];
        if (vlans)
            thing->vlan_id = skr_column_integer(statement, 0);
        else
            thing->prefix = skr_column_prefix(statement, 0);
        thing->id = skr_column_uuid(statement, 1);
        thing->name = copy_text(skr_column_text(statement, 2));
        thing->parent_id = skr_column_uuid(statement, 3);
        thing->parent = copy_text(skr_column_text(statement, 4));
    }
    skr_statement_reset(statement);
    return r < 0 ? r : 0;
}

/* ---- pairs ---- */

static json_t *describe(const struct things *things, const struct thing *thing)
{
    char id[SKR_UUID_TEXT_MAX], parent_id[SKR_UUID_TEXT_MAX], prefix[SKR_PREFIX_TEXT_MAX];
    json_t *json =
            json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", things->kind, "id", skr_uuid_format(&thing->id, id), "name",
                      thing->name, "parent_id", skr_uuid_format(&thing->parent_id, parent_id), "parent", thing->parent);
    json_object_set_new(json, "prefix",
                        thing->vlan_id ? json_null() : json_string(skr_prefix_format(&thing->prefix, prefix)));
    json_object_set_new(json, "vlan_id", thing->vlan_id ? json_integer(thing->vlan_id) : json_null());
    return json;
}

/* False: the answer is full. */
static bool add_pair(json_t *answer, const struct things *things, const struct thing *first, const struct thing *second)
{
    json_t *items = json_object_get(answer, "items");
    if (json_array_size(items) == PAIRS_MAX) {
        json_object_set_new(answer, "complete", json_false());
        return false;
    }
    json_array_append_new(items, json_pack("{s:s, s:o, s:o}", "conflict", first->vlan_id ? "vlan" : "prefix", "first",
                                           describe(things, first), "second", describe(things, second)));
    return true;
}

static bool contains(const struct thing *outer, const struct thing *inner)
{
    return skr_prefix_is_v4(&outer->prefix) == skr_prefix_is_v4(&inner->prefix) &&
           skr_prefix_overlaps(&outer->prefix, &inner->prefix);
}

/* The things are in order of their prefix; of one parent (or one site) nothing overlaps with itself. */
static void sweep(const struct things *things, json_t *answer)
{
    const struct thing *open[129]; /* nested prefixes, each longer than the one before, and equal ones in a row */
    size_t depth = 0, from;
    for (size_t i = 0; i < things->count; i++) {
        const struct thing *thing = &things->items[i];
        while (depth && !contains(open[depth - 1], thing))
            depth--;
        for (size_t d = 0; d < depth; d++)
            /* Equal ones stand in a row behind the one that is open. */
            for (from = (size_t)(open[d] - things->items);
                 from < i &&
                 skr_prefix_length_128(&things->items[from].prefix) == skr_prefix_length_128(&open[d]->prefix) &&
                 contains(&things->items[from], thing);
                 from++)
                if (!skr_uuid_equal(&things->items[from].id, &thing->id) &&
                    !add_pair(answer, things, &things->items[from], thing))
                    return;
        bool equal = depth && skr_prefix_length_128(&open[depth - 1]->prefix) == skr_prefix_length_128(&thing->prefix);
        if (!equal && depth < SKR_ARRAY_SIZE(open))
            open[depth++] = thing;
    }
}

/* ---- VLANs ---- */

static int place(struct skr_txn *txn, struct thing *site, struct skr_error *error)
{
    if (site->placed)
        return 0;
    int r = skr_ids_query(txn, &groups_of_site, &site->id, &site->groups, error);
    for (size_t i = 0; r == 0 && i < site->groups.count; i++)
        r = skr_host_group_chain(txn, &site->groups.items[i], &site->chains, error);
    site->placed = r == 0;
    return r;
}

static bool any_in(const struct skr_ids *ids, const struct skr_ids *chains)
{
    for (size_t i = 0; i < ids->count; i++)
        if (skr_ids_contain(chains, &ids->items[i]))
            return true;
    return false;
}

/* 1: some host can be of both: a group of one site is a group of the other or stands below it. */
static int share_hosts(struct skr_txn *txn, struct thing *a, struct thing *b, struct skr_error *error)
{
    int r = place(txn, a, error);
    if (r == 0)
        r = place(txn, b, error);
    return r < 0 ? r : any_in(&a->groups, &b->chains) || any_in(&b->groups, &a->chains);
}

static int sweep_vlans(struct skr_txn *txn, struct things *things, json_t *answer, struct skr_error *error)
{
    unsigned compared = 0;
    for (size_t i = 0; i < things->count; i++)
        for (size_t k = i + 1; k < things->count && things->items[k].vlan_id == things->items[i].vlan_id; k++) {
            struct thing *a = &things->items[i], *b = &things->items[k];
            bool again = skr_uuid_equal(&b->id, &things->items[k - 1].id); /* one more subnet of the VLAN */
            if (skr_uuid_equal(&a->parent_id, &b->parent_id) || again ||
                (i && things->items[i - 1].vlan_id == a->vlan_id && skr_uuid_equal(&things->items[i - 1].id, &a->id)))
                continue;
            if (++compared > PREFIXES_MAX)
                return skr_error_set(
                        error, SKR_ERROR_LIMIT,
                        "More than %d pairs of sites have a VLAN in common, more than one answer compares.",
                        PREFIXES_MAX);
            int r = share_hosts(txn, a, b, error);
            if (r < 0 || (r > 0 && !add_pair(answer, things, a, b)))
                return r < 0 ? r : 0;
        }
    return 0;
}

/* ---- answers ---- */

static int of_tenant(struct skr_txn *txn, const struct skr_uuid *tenant_id, json_t *answer, struct skr_error *error)
{
    SKR_CLEANUP(things_cleanup) struct things things = {.kind = "vm-subnet"};
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &subnets_of_tenant, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, tenant_id);
    skr_bind_integer(statement, 2, PREFIXES_MAX + 1);
    r = read_things(statement, false, &things, error);
    if (r == 0)
        sweep(&things, answer);
    return r;
}

static int of_fabric(struct skr_txn *txn, json_t *answer, struct skr_error *error)
{
    SKR_CLEANUP(things_cleanup) struct things subnets = {.kind = "network-site"}, vlans = {.kind = "network-site"};
    static const struct skr_prefix lowest;
    struct skr_statement *statement;
    int r = skr_txn_query(txn, &subnets_of_sites, &statement, error);
    if (r < 0)
        return r;
    skr_bind_prefix(statement, 1, &lowest);
    skr_bind_integer(statement, 2, PREFIXES_MAX + 1);
    r = read_things(statement, false, &subnets, error);
    if (r == 0)
        r = skr_txn_query(txn, &vlans_of_sites, &statement, error);
    if (r < 0)
        return r;
    sweep(&subnets, answer);
    skr_bind_integer(statement, 1, 0);
    skr_bind_integer(statement, 2, PREFIXES_MAX + 1);
    r = read_things(statement, true, &vlans, error);
    return r < 0 ? r : sweep_vlans(txn, &vlans, answer, error);
}

/* A tenant that the principal does not see is refused in the words for one that does not exist. */
static int check_tenant(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_uuid *tenant_id,
                        struct skr_error *error)
{
    SKR_CLEANUP(skr_sight_done) struct skr_sight tenants = {0}, subnets = {0};
    int r = skr_model_sees(txn, principal, SKR_VM_SUBNET, &subnets, error);
    /* Before the tenant is looked for: the answer must not tell whether there is one. */
    if (r == 0 && subnets.kind != SKR_SIGHT_ALL && subnets.kind != SKR_SIGHT_TENANT)
        r = skr_error_set(error, SKR_ERROR_FORBIDDEN, "Your role does not see the VM subnets of tenants.");
    if (r == 0)
        r = skr_model_sees(txn, principal, SKR_TENANT, &tenants, error);
    return r < 0 ? r : skr_model_find(txn, &tenants, SKR_TENANT, tenant_id, NULL, error);
}

int skr_model_overlaps(struct skr_txn *txn, const struct skr_principal *principal, const struct skr_uuid *tenant_id,
                       json_t **ret, struct skr_error *error)
{
    SKR_CLEANUP(skr_sight_done) struct skr_sight sites = {0};
    const struct skr_uuid *tenant = skr_uuid_is_nil(tenant_id) ? &principal->tenant_id : tenant_id;
    json_t *answer = json_pack("{s:[], s:b}", "items", "complete", 1);
    int r;
    if (!skr_uuid_is_nil(tenant)) {
        r = check_tenant(txn, principal, tenant, error);
        if (r == 0)
            r = of_tenant(txn, tenant, answer, error);
    } else {
        r = skr_model_sees(txn, principal, SKR_NETWORK_SITE, &sites, error);
        if (r == 0 && sites.kind != SKR_SIGHT_ALL)
            r = skr_error_set(error, SKR_ERROR_FORBIDDEN, "Your role does not see network sites.");
        if (r == 0)
            r = of_fabric(txn, answer, error);
    }
    if (r < 0)
        json_decref(answer);
    else
        *ret = answer;
    return r;
}
