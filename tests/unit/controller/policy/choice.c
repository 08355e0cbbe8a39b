/* The controller takes one of several ways, and every host must take the same: what these tests expect is written out,
 * not computed by the code under test. */
#include "tests/unit/controller/policy/fixture.h"

#define HOSTS 2

/* Two hosts in group 1 whose uplink eth0 reaches every site of logical network 1. */
static void hosts(struct world *world)
{
    struct skr_uuid group = uuid_of(SKR_HOST_GROUP, 1);

    put(world, logical_network_row(1, "nvgre", 1600));
    put(world, host_group_row(1, 0));
    for (unsigned i = 1; i <= HOSTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "host-%u", i);
        struct skr_object *host = host_row(i, name, "enrolled");
        skr_object_set_uuid(host, SKR_HOST_HOST_GROUP_ID, &group);
        host_uplink(host, "eth0", NULL);
        put(world, host);
    }
    commit(world);
    for (unsigned i = 1; i <= HOSTS; i++) {
        struct skr_uuid id = uuid_of(SKR_HOST, i);
        agent_connect(world, agent_new(world, &id));
    }
    world_settle(world);
}

static void put_site(struct world *world, unsigned n, int vlan)
{
    struct skr_uuid group = uuid_of(SKR_HOST_GROUP, 1);
    const int vlans[] = {vlan, -1};
    struct skr_object *site = site_row(n, 1, "site", vlans);
    id_add(site, SKR_NETWORK_SITE_HOST_GROUP_IDS, &group);
    put(world, site);
    commit(world);
    world_settle(world);
}

/* The VLAN in which host 1 was told to put adapter 1. */
static uint32_t vlan_of(const struct world *world)
{
    struct skr_uuid id = uuid_of(SKR_NETWORK_ADAPTER, 1);
    const struct agent *agent = &world->agents[0];
    const struct agent_scope *scope =
            skr_id_map_get(&agent->scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_HOST, &agent->host);
    const struct scope_object *object =
            scope ? skr_id_map_get(&scope->objects, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_PORT, &id) : NULL;
    cr_assert(object);
    Skerry__V1__Port *port = skerry__v1__port__unpack(NULL, object->size, object->bytes);
    uint32_t vlan = port->vlan_id;
    skerry__v1__port__free_unpacked(port, NULL);
    return vlan;
}

/* An adapter of a network that passes through is in the VLAN of its host's site. */
Test(policy_choice, of_two_sites_of_a_group_the_one_with_the_lower_id)
{
    struct world w;
    world_init(&w, NULL);
    hosts(&w);
    put_site(&w, 5, 50);
    put(&w, vlan_network_row(1, 1, "none", 0, 0));
    put(&w, vm_subnet_row(1, 1));
    put(&w, adapter_row(1, 1, 1, 1, 0));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(vlan_of(&w), 50);
    put_site(&w, 7, 70);
    cr_assert_eq(vlan_of(&w), 50, "a later site changes nothing");
    put_site(&w, 3, 30);
    cr_assert_eq(vlan_of(&w), 30);
    world_done(&w);
}

/* The last byte of the address under which host 2 knows host 1 in VM network 2: where it sends, and floods. */
static unsigned address_told(const struct world *world)
{
    struct skr_uuid scope_id = uuid_of(SKR_VM_NETWORK, 2), id = uuid_of(SKR_HOST, 1);
    const struct agent_scope *scope =
            skr_id_map_get(&world->agents[1].scopes, SKERRY__V1__SCOPE_KIND__SCOPE_KIND_DOMAIN, &scope_id);
    const struct scope_object *object =
            scope ? skr_id_map_get(&scope->objects, SKERRY__V1__OBJECT_TYPE__OBJECT_TYPE_MEMBER, &id) : NULL;
    cr_assert(object);
    Skerry__V1__Member *member = skerry__v1__member__unpack(NULL, object->size, object->bytes);
    cr_assert_gt(member->n_provider_addresses, 0);
    unsigned last = member->provider_addresses[0].data[member->provider_addresses[0].len - 1];
    skerry__v1__member__free_unpacked(member, NULL);
    return last;
}

Test(policy_choice, of_two_provider_addresses_the_one_with_the_lower_id)
{
    struct world w;
    world_init(&w, NULL);
    hosts(&w);
    put_site(&w, 1, 0);
    put(&w, vm_network_row(2, 1, 0));
    put(&w, vm_subnet_row(2, 2));
    put(&w, provider_address_row(5, 1, 1, "10.1.0.50"));
    put(&w, provider_address_row(9, 2, 1, "10.1.0.9"));
    put(&w, adapter_row(1, 2, 2, 1, 0));
    put(&w, adapter_row(2, 2, 2, 2, 0));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(address_told(&w), 50);
    put(&w, provider_address_row(7, 1, 1, "10.1.0.7"));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(address_told(&w), 50, "a lower address with a higher id");
    put(&w, provider_address_row(3, 1, 1, "10.1.0.99"));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(address_told(&w), 99);
    put_op(&w, SKR_CHANGE_DELETE, provider_address_row(3, 1, 1, "10.1.0.99"));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(address_told(&w), 50);
    world_done(&w);
}

static void expect_pending(struct world *world, enum skr_resource_id resource, unsigned n)
{
    struct skr_uuid id = uuid_of(resource, n);
    struct skr_realization realization;
    commit(world);
    skr_realization_of_object(world->table, resource, &id, &realization);
    cr_assert_eq(realization.state, SKR_REALIZATION_PENDING);
    cr_assert_eq(realization.pending, 1);
    world_settle(world);
    skr_realization_of_object(world->table, resource, &id, &realization);
    cr_assert_eq(realization.state, SKR_REALIZATION_REALIZED);
    cr_assert_eq(realization.applied, 1);
}

static void put_site_of_group(struct world *world, unsigned n, int vlan, unsigned group)
{
    const int vlans[] = {vlan, -1};
    struct skr_uuid group_id = uuid_of(SKR_HOST_GROUP, group);
    struct skr_object *site = site_row(n, 1, "site", vlans);
    id_add(site, SKR_NETWORK_SITE_HOST_GROUP_IDS, &group_id);
    put(world, site);
}

/* A site or a group that puts an adapter into another VLAN waits for the host of it, as the adapter does. */
Test(policy_choice, a_site_and_a_group_are_realized_by_the_hosts_they_change)
{
    struct world w;
    world_init(&w, NULL);
    hosts(&w);
    put(&w, host_group_row(2, 0));
    put(&w, host_group_row(3, 0));
    put(&w, host_group_row(1, 2));
    put_site_of_group(&w, 5, 50, 2);
    put_site_of_group(&w, 3, 30, 3);
    put(&w, vlan_network_row(1, 1, "none", 0, 0));
    put(&w, vm_subnet_row(1, 1));
    put(&w, adapter_row(1, 1, 1, 1, 0));
    commit(&w);
    world_settle(&w);
    cr_assert_eq(vlan_of(&w), 50);
    put(&w, host_group_row(1, 3));
    expect_pending(&w, SKR_HOST_GROUP, 1);
    cr_assert_eq(vlan_of(&w), 30);
    put_site_of_group(&w, 3, 31, 3);
    expect_pending(&w, SKR_NETWORK_SITE, 3);
    cr_assert_eq(vlan_of(&w), 31);
    world_done(&w);
}
