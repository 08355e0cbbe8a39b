/* Profiles that are held back, against a model: through any changes of profiles, classifications, the mapping of a
 * logical switch, deployments, adapters that become other ports or move, and remediation, a port keeps what is in force
 * until its host may have what is asked for. The rows of compliance say where the two differ, the policy compiles what
 * is in force, and a policy that reads the database anew comes to the same. */
#include "tests/support/controller/compiled.h"

#define SEEDS    6
#define STEPS    120
#define PROFILES 3
#define CLASSES  3 /* port classifications */
#define HOSTS    2
#define ADAPTERS 8
#define KINDS    (2 * (CLASSES + 1)) /* of ports: on the switch or on none; with a classification, or without */

struct values {
    bool dhcp_guard, mac_spoofing;
    uint64_t maximum_bps;
};
struct host_state {
    bool manual, switched;
    int deployments;               /* so far; each has a name of its own */
    struct values in_force[KINDS]; /* of kinds that have a port */
};
struct model {
    struct values profiles[PROFILES + 1]; /* the last: the default of ports that nothing gives another one */
    int profile_of[CLASSES];              /* the classification's own */
    int mapped[CLASSES];                  /* by the logical switch; -1: not by name */
    int fallback;                         /* the class whose entry is the default's; -1: the switch maps nothing */
    struct host_state hosts[HOSTS];
    struct {
        int host, class; /* class CLASSES: none */
    } adapters[ADAPTERS];
};

static unsigned seed;

static int pick(int below)
{
    return (int)((unsigned)rand_r(&seed) % (unsigned)below);
}

/* ---- the model ---- */

static int kind_of(const struct model *m, int adapter)
{
    return m->adapters[adapter].class + (m->hosts[m->adapters[adapter].host].switched ? CLASSES + 1 : 0);
}

static bool has_kind(const struct model *m, int host, int kind)
{
    for (int a = 0; a < ADAPTERS; a++)
        if (m->adapters[a].host == host && kind_of(m, a) == kind)
            return true;
    return false;
}

static struct values asked(const struct model *m, int kind)
{
    int class = kind % (CLASSES + 1);
    if (kind > CLASSES && m->fallback >= 0) {
        bool named = class < CLASSES && m->mapped[class] >= 0;
        return m->profiles[m->mapped[named ? class : m->fallback]];
    }
    return m->profiles[class < CLASSES ? m->profile_of[class] : PROFILES];
}

/* From `before` to `m`: what is in force goes on for kinds of ports that are there on a host that waits. */
static void settle(const struct model *before, struct model *m)
{
    for (int h = 0; h < HOSTS; h++)
        for (int k = 0; k < KINDS; k++)
            if (!m->hosts[h].manual || !has_kind(before, h, k))
                m->hosts[h].in_force[k] = asked(m, k);
}

static void release(struct model *m, int host)
{
    for (int k = 0; k < KINDS; k++)
        m->hosts[host].in_force[k] = asked(m, k);
}

/* ---- changes, of both ---- */

static void change_profile(struct world *w, struct model *m)
{
    int p = pick(PROFILES + 1);
    struct values *values = &m->profiles[p];
    char name[16], json[160];
    *values = (struct values){pick(2), pick(2), (uint64_t)pick(3) * 1000};
    snprintf(name, sizeof(name), p < PROFILES ? "p%d" : "default", p);
    snprintf(json, sizeof(json),
             "{'security': {'dhcp_guard': %s, 'mac_spoofing': %s}, 'bandwidth': {'maximum_bps': %.*s%.*s}}",
             values->dhcp_guard ? "true" : "false", values->mac_spoofing ? "true" : "false",
             values->maximum_bps ? 4 : 0, values->maximum_bps == 1000 ? "1000" : "2000", values->maximum_bps ? 0 : 4,
             "null");
    world_patch(w, SKR_VIRTUAL_PORT_PROFILE, name, json);
}

static void change_classification(struct world *w, struct model *m)
{
    int c = pick(CLASSES);
    char name[16], json[80];
    m->profile_of[c] = pick(PROFILES);
    snprintf(name, sizeof(name), "c%d", c);
    snprintf(json, sizeof(json), "{'virtual_port_profile_id': '$p%d'}", m->profile_of[c]);
    world_patch(w, SKR_PORT_CLASSIFICATION, name, json);
}

static void change_mapping(struct world *w, struct model *m)
{
    char json[400] = "{'virtual_ports': [";
    m->fallback = -1;
    for (int c = 0; c < CLASSES; c++) {
        m->mapped[c] = pick(3) ? pick(PROFILES) : -1;
        if (m->mapped[c] >= 0 && (m->fallback < 0 || pick(2)))
            m->fallback = c;
    }
    for (int c = 0, entries = 0; c < CLASSES; c++)
        if (m->mapped[c] >= 0) {
            size_t length = strlen(json);
            snprintf(json + length, sizeof(json) - length,
                     "%s{'classification_id': '$c%d', 'profile_id': '$p%d', 'is_default': %s}", entries++ ? ", " : "",
                     c, m->mapped[c], c == m->fallback ? "true" : "false");
        }
    strcat(json, "]}");
    world_patch(w, SKR_LOGICAL_SWITCH, "sw", json);
}

static void change_switch(struct world *w, struct model *m, int h)
{
    char name[16], json[160];
    struct host_state *host = &m->hosts[h];
    host->switched = !host->switched;
    host->deployments += host->switched;
    snprintf(name, sizeof(name), "hs%d-%d", h + 1, host->deployments);
    snprintf(json, sizeof(json),
             "{'host_id': '$h%d', 'logical_switch_id': '$sw', 'uplinks': [{'interface': 'eth1', "
             "'uplink_port_profile_id': '$up'}]}",
             h + 1);
    if (host->switched)
        world_create(w, SKR_HOST_SWITCH, name, json);
    else
        world_delete(w, SKR_HOST_SWITCH, name);
}

static void change_adapter(struct world *w, struct model *m)
{
    int a = pick(ADAPTERS), class = pick(CLASSES + 1), host = pick(3) ? m->adapters[a].host : pick(HOSTS);
    char name[16], classification[16] = "null", json[80];
    snprintf(name, sizeof(name), "a%d", a);
    if (class < CLASSES)
        snprintf(classification, sizeof(classification), "'$c%d'", class);
    snprintf(json, sizeof(json), "{'classification_id': %s, 'host_id': '$h%d'}", classification, host + 1);
    m->adapters[a].class = class;
    m->adapters[a].host = host;
    world_patch(w, SKR_NETWORK_ADAPTER, name, json);
}

static void change_remediation(struct world *w, struct model *m, int h)
{
    m->hosts[h].manual = !m->hosts[h].manual;
    world_patch(w, SKR_HOST, h ? "h2" : "h1",
                m->hosts[h].manual ? "{'remediation': 'manual'}" : "{'remediation': 'auto'}");
}

static void step(struct compiled *s, struct model *m)
{
    struct model before = *m;
    int host = pick(HOSTS);
    switch (pick(12)) {
    case 0:
        change_switch(&s->world, m, host);
        break;
    case 1:
        if (!pick(3))
            change_remediation(&s->world, m, host);
        break;
    case 2:
        compiled_remediate(s, host ? "h2" : "h1");
        release(m, host);
        break;
    case 3:
    case 4:
        change_adapter(&s->world, m);
        break;
    case 5:
    case 6:
        change_mapping(&s->world, m);
        break;
    case 7:
    case 8:
        change_classification(&s->world, m);
        break;
    default:
        change_profile(&s->world, m);
    }
    settle(&before, m);
}

/* ---- what must hold ---- */

static size_t difference(const struct values *a, const struct values *b)
{
    return (size_t)((a->dhcp_guard != b->dhcp_guard) + (a->mac_spoofing != b->mac_spoofing) +
                    (a->maximum_bps != b->maximum_bps));
}

static void expect_rows(struct compiled *s, const struct model *m, int h, int number)
{
    struct skr_object *rows[KINDS * 3 + 1];
    size_t wanted = 0;
    for (int k = 0; k < KINDS; k++) {
        struct values now = asked(m, k);
        wanted += has_kind(m, h, k) ? difference(&m->hosts[h].in_force[k], &now) : 0;
    }
    size_t held =
            world_list(&s->world, SKR_COMPLIANCE, SKR_COMPLIANCE_HOST_ID, h ? "h2" : "h1", rows, SKR_ARRAY_SIZE(rows));
    cr_assert_eq(held, wanted, "step %d: %zu rows of host %d, not %zu; the first: %s", number, held, h + 1, wanted,
                 held ? skr_object_text(rows[0], SKR_COMPLIANCE_FIELD) : "none");
    for (size_t i = 0; i < held; i++)
        skr_object_unref(rows[i]);
}

static void expect_ports(struct compiled *s, const struct model *m, int number)
{
    for (int a = 0; a < ADAPTERS; a++) {
        char name[16];
        snprintf(name, sizeof(name), "a%d", a);
        Skerry__V1__Port *port = compiled_port(s, m->adapters[a].host ? "h2" : "h1", name);
        const struct values has = {port->dhcp_guard, port->mac_spoofing, port->maximum_bps};
        const struct values *must = &m->hosts[m->adapters[a].host].in_force[kind_of(m, a)];
        cr_assert_eq(difference(&has, must), 0, "step %d: %s has %d %d %lu, not %d %d %lu", number, name,
                     has.dhcp_guard, has.mac_spoofing, (unsigned long)has.maximum_bps, must->dhcp_guard,
                     must->mac_spoofing, (unsigned long)must->maximum_bps);
        skerry__v1__port__free_unpacked(port, NULL);
    }
}

static void begin(struct compiled *s, struct model *m)
{
    struct world *w = &s->world;
    struct skr_txn *txn;
    struct skr_uuid id;
    char name[16], json[256];
    world_open(w);
    world_fill(w);
    world_delete(w, SKR_NETWORK_ADAPTER, "red-1"); /* the model's adapters are all */
    cr_assert_eq(skr_store_read_begin(w->test.store, &txn, NULL), 0);
    cr_assert_eq(skr_name_find(txn, SKR_VIRTUAL_PORT_PROFILE, SKR_DEFAULT_PROFILE, NULL, &id, NULL), 1);
    skr_store_read_end(txn);
    world_name(w, "default", &id);
    for (int i = 0; i < PROFILES; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        snprintf(json, sizeof(json), "{'name': 'p%d', 'bandwidth': {'minimum_weight': 10}}", i);
        world_create(w, SKR_VIRTUAL_PORT_PROFILE, name, json);
    }
    for (int i = 0; i < CLASSES; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        snprintf(json, sizeof(json), "{'name': 'c%d', 'virtual_port_profile_id': '$p%d'}", i, i % PROFILES);
        world_create(w, SKR_PORT_CLASSIFICATION, name, json);
        m->profile_of[i] = i % PROFILES;
        m->mapped[i] = -1;
    }
    for (int i = 0; i <= PROFILES; i++)
        m->profiles[i] = (struct values){.dhcp_guard = true};
    m->fallback = -1;
    world_patch(w, SKR_TENANT, "red", "{'port_classification_ids': ['$c0', '$c1', '$c2']}");
    world_create(w, SKR_UPLINK_PORT_PROFILE, "up",
                 "{'name': 'up', 'network_site_ids': ['$site-north', '$site-south']}");
    world_create(w, SKR_LOGICAL_SWITCH, "sw", "{'name': 'sw', 'uplink_port_profile_ids': ['$up']}");
    for (int i = 0; i < ADAPTERS; i++) {
        snprintf(name, sizeof(name), "a%d", i);
        snprintf(json, sizeof(json),
                 "{'name': 'a%d', 'vm_network_id': '$red-net', 'vm_subnet_id': '$red-a', 'host_id': '$h%d'}", i,
                 i % HOSTS + 1);
        world_create(w, SKR_NETWORK_ADAPTER, name, json);
        m->adapters[i].host = i % HOSTS;
        m->adapters[i].class = CLASSES;
    }
    for (int h = 0; h < HOSTS; h++)
        release(m, h);
    change_remediation(w, m, 0);
    compiled_begin(s);
}

Test(held_profiles, stay_in_force_as_a_model_has_them)
{
    for (unsigned from = 1; from <= SEEDS; from++) {
        struct compiled s;
        struct model m = {0};
        seed = from;
        begin(&s, &m);
        for (int number = 0; number < STEPS; number++) {
            step(&s, &m);
            expect_ports(&s, &m, number);
            for (int h = 0; h < HOSTS; h++)
                expect_rows(&s, &m, h, number);
            if (number % 10 == 9)
                compiled_expect_recompute(&s);
        }
        compiled_end(&s);
    }
}
