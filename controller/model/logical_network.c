#include "controller/model/rules.h"

#define NVGRE_OVERHEAD 42 /* outer IPv4 20, GRE with key 8 (RFC 2890), inner Ethernet 14 */
#define VXLAN_OVERHEAD 50 /* outer IPv4 20, UDP 8, VXLAN 8 (RFC 7348), inner Ethernet 14 */

static const struct skr_query sites_of = {"SELECT id FROM network_site WHERE logical_network_id = ?1"};
static const struct skr_query vm_networks_of = {
        "SELECT id FROM vm_network WHERE logical_network_id = ?1 AND isolation = 'network_virtualization' LIMIT 1"};
static const struct skr_query passing_through = {
        "SELECT id FROM vm_network WHERE logical_network_id = ?1 AND isolation = 'none'"};
static const struct skr_query larger_vm_network = {
        "SELECT name, mtu FROM vm_network WHERE logical_network_id = ?1 "
        "AND mtu > CASE isolation WHEN 'network_virtualization' THEN ?2 ELSE ?3 END LIMIT 1"};

int64_t skr_logical_network_overhead(const struct skr_object *network)
{
    const char *encapsulation = skr_object_text(network, SKR_LOGICAL_NETWORK_ENCAPSULATION);
    return encapsulation && !strcmp(encapsulation, "vxlan") ? VXLAN_OVERHEAD : NVGRE_OVERHEAD;
}

/* VLAN-based networks are independent of one another; nothing could be virtualized over all of them. */
static int check_isolation(const struct skr_object *network, struct skr_error *error)
{
    const char *isolation = skr_object_text(network, SKR_LOGICAL_NETWORK_ISOLATION);
    if (!strcmp(isolation, "connected") || !skr_object_integer(network, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        return 0;
    return skr_refuse(error, SKR_ERROR_INVALID, "/network_virtualization",
                      "Network virtualization needs isolation \"connected\", not \"%s\"; give false here.", isolation);
}

/* Unless it says otherwise, a connected network is virtualized. */
static void choose_virtualization(struct skr_object *network)
{
    bool connected = !strcmp(skr_object_text(network, SKR_LOGICAL_NETWORK_ISOLATION), "connected");
    if (!skr_object_has(network, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        skr_object_set_integer(network, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION, connected);
}

static int check_mtu(struct skr_write *write, const struct skr_uuid *id, struct skr_error *error)
{
    int64_t mtu = skr_object_integer(write->after, SKR_LOGICAL_NETWORK_MTU);
    int64_t inner = mtu - skr_logical_network_overhead(write->after);
    struct skr_statement *statement;
    int r = skr_txn_query(write->txn, &larger_vm_network, &statement, error);
    if (r < 0)
        return r;
    skr_bind_uuid(statement, 1, id);
    skr_bind_integer(statement, 2, inner);
    skr_bind_integer(statement, 3, mtu);
    r = skr_step(statement, error);
    if (r > 0)
        r = skr_refuse(
                error, SKR_ERROR_CONFLICT, "/mtu",
                "VM network \"%.100s\" has an MTU of %lld, and %lld leaves %lld inside of the encapsulation; lower "
                "the VM network's first.",
                skr_column_text(statement, 0), (long long)skr_column_integer(statement, 1), (long long)mtu,
                (long long)inner);
    skr_statement_reset(statement);
    return r;
}

static int check_switch_off(struct skr_write *write, const struct skr_uuid *id, struct skr_error *error)
{
    int r = skr_find(write->txn, &vm_networks_of, id, NULL, NULL, error);
    if (r <= 0)
        return r;
    return skr_refuse(error, SKR_ERROR_IN_USE, "/network_virtualization",
                      "VM networks stand on this logical network and need network virtualization; delete them first.");
}

/* Sites that were written without virtualization had fewer rules to keep, and VMs could be on the network itself. */
static int check_switch_on(struct skr_write *write, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids sites = {0}, passing = {0};
    int r = skr_ids_query(write->txn, &passing_through, id, &passing, error);
    if (r == 0 && passing.count) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *vm_network = NULL;
        r = skr_fetch(write->txn, SKR_VM_NETWORK, &passing.items[0], &vm_network, error);
        return r < 0 ? r
                     : skr_refuse(error, SKR_ERROR_IN_USE, "/network_virtualization",
                                  "VM network \"%.100s\" passes through: its VMs would be among the addresses of "
                                  "hosts; delete it first.",
                                  skr_object_name(vm_network));
    }
    if (r == 0)
        r = skr_ids_query(write->txn, &sites_of, id, &sites, error);
    for (size_t i = 0; r == 0 && i < sites.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
        r = skr_fetch(write->txn, SKR_NETWORK_SITE, &sites.items[i], &site, error);
        if (r == 0)
            r = skr_network_site_check_virtualized(write->txn, site, "/network_virtualization", error);
    }
    return r;
}

static int prepare(struct skr_write *write, struct skr_error *error)
{
    choose_virtualization(write->after);
    int r = check_isolation(write->after, error);
    if (r < 0 || !write->before)
        return r;
    struct skr_uuid id = skr_object_id(write->after);
    if ((skr_write_changes(write, SKR_LOGICAL_NETWORK_MTU) ||
         skr_write_changes(write, SKR_LOGICAL_NETWORK_ENCAPSULATION)) &&
        (r = check_mtu(write, &id, error)) < 0)
        return r;
    if (!skr_write_changes(write, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        return 0;
    return skr_object_integer(write->after, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION)
                   ? check_switch_on(write, &id, error)
                   : check_switch_off(write, &id, error);
}

static int stored(struct skr_write *write, struct skr_error *error)
{
    if (!write->before || !skr_write_changes(write, SKR_LOGICAL_NETWORK_NETWORK_VIRTUALIZATION))
        return 0;
    SKR_CLEANUP(skr_ids_cleanup) struct skr_ids sites = {0}, hosts = {0};
    struct skr_uuid id = skr_object_id(write->after);
    int r = skr_ids_query(write->txn, &sites_of, &id, &sites, error);
    for (size_t i = 0; r == 0 && i < sites.count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *site = NULL;
        r = skr_fetch(write->txn, SKR_NETWORK_SITE, &sites.items[i], &site, error);
        if (r == 0)
            r = skr_network_site_hosts(write->txn, site, &hosts, error);
    }
    return r < 0 ? r
                 : skr_provider_address_hosts(write->txn, &hosts, SKR_WITHDRAWAL_UNUSED, "/network_virtualization",
                                              error);
}

static int compute(struct skr_txn *txn, struct skr_object *object, struct skr_error *error)
{
    return skr_ip_usage_compute(txn, object, SKR_LOGICAL_NETWORK_UTILIZATION, error);
}

const struct skr_rules skr_logical_network_rules = {.prepare = prepare, .stored = stored, .compute = compute};
