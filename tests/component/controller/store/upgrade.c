/* A database as the first version left it, a row or more in each of its tables, is brought to the last version: what
 * was there is there as it was, what is counted beside it is right, and nothing refers to nothing. And databases of
 * later versions, with rows that the next migration makes something else of. */
#include "controller/store/sqlite/migrate.h"
#include "tests/support/test_store.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_VERSION 4 /* migrations of the first version */
#define TABLES_MAX    64
#define COLUMNS_MAX   64

/* Ids end in two digits; what every object has: labels on all of them, since those are indexed later. */
#define ID(n)                "X'000000000000000000000000000000" #n "'"
#define OF(n, tenant, name)  ID(n) ", " tenant ", '" name "', 'as it was', '{\"env\":\"old\"}', 1, 2, 3"
#define FABRIC(n, name)      OF(n, "NULL", name)
#define RED                  ID(01)
#define V4(hex)              "X'00000000000000000000FFFF" hex "'"
#define PREFIX(hex, length)  "X'00000000000000000000FFFF" hex length "'"
#define INTO(table, columns) "INSERT INTO " #table " VALUES (" columns ");"

static const char *const rows[] = {
        INTO(settings, "'motto', 'islands'"),
        INTO(change_log, "7, 0, 'tenant', " RED ", NULL, 1"),
        INTO(tenant, FABRIC(01, "red")),
        INTO(tenant, FABRIC(02, "blue")),
        INTO(host_group, FABRIC(03, "All hosts") ", NULL, 1, 1"),
        INTO(host_group, FABRIC(04, "Dallas") ", " ID(03) ", 1, 0"),
        INTO(logical_network, FABRIC(05, "HNV") ", 'connected', 1, 'nvgre', 1500"),
        INTO(network_site, FABRIC(06, "HNV-Dallas") ", " ID(05)),
        INTO(network_site_host_group_ids, ID(06) ", 0, " ID(04)),
        INTO(network_site_subnet_vlans, ID(06) ", 0, " PREFIX("C0000200", "18") ", 10, NULL"),
        INTO(virtual_port_profile, FABRIC(07, "default") ", 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, NULL, NULL, NULL, 1"),
        INTO(port_classification, FABRIC(08, "default") ", " ID(07) ", 1"),
        INTO(host, FABRIC(09, "h1") ", " ID(04) ", 'active', 0, 'auto', 'enrolled', 'aa', 7, '1', '6.1', '[]', 1, 1"),
        INTO(host,
             FABRIC(10, "gone") ", " ID(04) ", 'removed', 0, 'auto', 'revoked', 'bb', 0, '', '', '[]', NULL, NULL"),
        INTO(host_uplinks, ID(09) ", 0, 'up', 'eth0', '[]'"),
        INTO(join_token, FABRIC(11, "join") ", " ID(04) ", 3600, 1, 0, 0, 9, 'cc'"),
        INTO(join_token_use, ID(11) ", 'aa', " ID(09)),
        INTO(token, FABRIC(12, "first") ", 'admin', 3600, 9, 1, 'dd'"),
        INTO(mac_pool, FABRIC(13, "built-in") ", X'025C01000000', X'025C01FFFFFF', 1"),
        INTO(mac_pool_host_group_ids, ID(13) ", 0, " ID(04)),
        INTO(tenant_logical_network_ids, RED ", 0, " ID(05)),
        INTO(tenant_port_classification_ids, RED ", 0, " ID(08)),
        INTO(vm_network, OF(14, RED, "web") ", " ID(05) ", 'network_virtualization', " ID(15) ", 1, NULL"),
        INTO(vm_subnet,
             OF(16, RED, "front") ", " ID(14) ", " PREFIX("0A000000", "18") ", 5001, " V4("0A000001") ", NULL"),
        INTO(vm_subnet,
             OF(17, RED, "back") ", " ID(14) ", " PREFIX("0A000100", "18") ", 5002, " V4("0A000101") ", NULL"),
        INTO(vsid_retired, "4999, 3"),
        INTO(ip_pool, FABRIC(18, "provider") ", " ID(06) ", NULL, " PREFIX("C0000200", "18") ", " V4(
                              "C0000202") ", " V4("C00002FE") ", '[]', '[]', '[]', '', '[]', '[]', 253, 1, 0, 0"),
        INTO(ip_pool, FABRIC(19, "customers") ", NULL, " ID(16) ", " PREFIX("0A000000", "18") ", " V4(
                              "0A000002") ", " V4("0A0000FE") ", '[]', '[]', '[]', '', '[]', '[]', 253, 2, 0, 0"),
        INTO(ip_pool_gateways, ID(18) ", 0, " V4("C0000201") ", 1"),
        INTO(ip_pool_free, ID(18) ", " V4("C0000203") ", " V4("C00002FE")),
        INTO(ip_pool_free, ID(19) ", " V4("0A000004") ", " V4("0A0000FE")),
        INTO(network_adapter,
             OF(20, RED, "web-1") ", 'web-1', " ID(14) ", " ID(16) ", X'025C01000001', '[\"10.0.0.2\"]', NULL, " ID(
                     09) ", NULL, 0, 1, 'tap0', NULL"),
        INTO(network_adapter, OF(21, RED, "web-2") ", 'web-2', " ID(14) ", " ID(17) ", X'025C01000002', '[]', " ID(
                                      08) ", NULL, NULL, 0, 0, NULL, 'offline'"),
        INTO(lookup_record, OF(22, RED, "10.0.0.2") ", " ID(14) ", " ID(16) ", " ID(20) ", 5001, " V4(
                                    "0A000002") ", X'025C01000001', 'static', " ID(09)),
        INTO(lookup_record, OF(23, RED, "10.0.1.9") ", " ID(14) ", " ID(17) ", " ID(21) ", 5002, " V4(
                                    "0A000109") ", X'025C01000002', 'dynamic', NULL"),
        INTO(provider_address, FABRIC(24, "192.0.2.2") ", " ID(09) ", " ID(06) ", " ID(05) ", " ID(18) ", 'eth0', " V4(
                                       "C0000202") ", " PREFIX("C0000200", "18") ", " V4("C0000201") ", 10, NULL"),
        INTO(ip_allocation, FABRIC(25, "192.0.2.2") ", " ID(18) ", " V4("C0000202") ", 'provider', " ID(24) ", NULL"),
        INTO(ip_allocation, FABRIC(26, "10.0.0.2") ", " ID(19) ", " V4("0A000002") ", 'adapter', " ID(20) ", NULL"),
        INTO(ip_allocation, FABRIC(27, "10.0.0.3") ", " ID(19) ", " V4("0A000003") ", 'manual', NULL, NULL"),
        INTO(compliance, FABRIC(28, "uplink") ", " ID(09) ", 'uplink', NULL, 'eth0', 'mtu', '1500', '1400', 1"),
        INTO(event, OF(29, RED, "ClaimConflict") ", 'ClaimConflict', 'Host h1 claims it.', 'network-adapter', " ID(
                            20) ", " ID(09)),
};

/* Rows that a later version has besides, for the migration that comes next. */
static const struct {
    unsigned version;
    const char *sql;
} later_rows[] = {
        /* 0016: holdings are made of what holds an address now */
        {15, INTO(ip_allocation, FABRIC(30, "10.0.0.9") ", " ID(19) ", " V4("0A000009") ", 'vip', NULL, NULL")},
        {15, INTO(ip_allocation, FABRIC(31, "10.0.0.8") ", " ID(19) ", " V4("0A000008") ", 'manual', NULL, 4")},
        {15,
         INTO(provider_address, FABRIC(32, "none") ", " ID(09) ", " ID(06) ", " ID(05) ", NULL, 'eth1', NULL, " PREFIX(
                                        "C0000200", "18") ", NULL, 10, 'none left'")},
        {15, INTO(lookup_record, OF(33, RED, "l2only") ", " ID(14) ", " ID(17) ", " ID(
                                         21) ", 5002, NULL, X'025C01000002', 'l2only', NULL")},
        /* 0021: what an allocation is for is called its purpose */
        {20, INTO(ip_allocation, OF(34, RED, "10.0.0.7") ", " ID(19) ", " V4("0A000007") ", 'vip', NULL, NULL")},
        /* 0022: held profiles say of which ports, and VM subnets of a VLAN do not count */
        {21, INTO(compliance, FABRIC(35, "default") ", " ID(09) ", 'virtual-port-profile', " ID(
                                      07) ", 'default', 'security.dhcp_guard', 'false', 'true', 1")},
        {21, INTO(vm_subnet, OF(36, RED, "vlan") ", " ID(14) ", " PREFIX("C0000200", "18") ", NULL, NULL, NULL")},
};

static sqlite3 *db;

static char *ask(const char *sql)
{
    sqlite3_stmt *stmt;
    cr_assert(eq(int, sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK), "%s: %s", sql, sqlite3_errmsg(db));
    int code = sqlite3_step(stmt);
    cr_assert(code == SQLITE_ROW || code == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    char *answer = strdup(text ? text : "");
    sqlite3_finalize(stmt);
    return answer;
}

#define EXPECT(sql, wanted)                                                                                            \
    do {                                                                                                               \
        char *answer_ = ask(sql);                                                                                      \
        cr_expect(eq(str, answer_, (char *)(wanted)), "%s", sql);                                                      \
        free(answer_);                                                                                                 \
    } while (0)

static void run(const char *sql)
{
    char *message = NULL;
    cr_assert(eq(int, sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK), "%s: %s", sql, message);
}

/* Columns that later versions of the schema change in existing rows on purpose. */
static bool is_changed(const char *table, const char *column)
{
    static const char *const changed[][2] = {
            {"ip_pool", "tenant_id"},       /* of a VM subnet: its tenant's now */
            {"ip_allocation", "tenant_id"}, /* likewise */
            {"ip_allocation", "kind"},      /* is called purpose now */
            {"event", "tenant_id"},         /* was written for administrators */
    };
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
        if (!strcmp(changed[i][0], table) && !strcmp(changed[i][1], column))
            return true;
    return false;
}

struct content {
    char *table, *query, *rows;
};

/* The query that tells all rows of a table by the columns that it has now. */
static char *content_query(const char *table)
{
    char list[256], *sql = NULL;
    size_t size = 0;
    sqlite3_stmt *stmt;
    FILE *out = open_memstream(&sql, &size);
    snprintf(list, sizeof(list), "SELECT name FROM pragma_table_info('%s')", table);
    cr_assert(eq(int, sqlite3_prepare_v2(db, list, -1, &stmt, NULL), SQLITE_OK));
    fputs("SELECT group_concat(line, char(10)) FROM (SELECT ''", out);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(stmt, 0);
        if (!is_changed(table, column))
            fprintf(out, " || '|' || quote(\"%s\")", column);
    }
    fprintf(out, " AS line FROM \"%s\" ORDER BY 1)", table);
    fclose(out);
    sqlite3_finalize(stmt);
    return sql;
}

static unsigned read_contents(struct content contents[static TABLES_MAX])
{
    sqlite3_stmt *stmt;
    unsigned count = 0;
    cr_assert(eq(int, sqlite3_prepare_v2(db, "SELECT name FROM sqlite_master WHERE type = 'table'", -1, &stmt, NULL),
                 SQLITE_OK));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        cr_assert(lt(u32, count, TABLES_MAX));
        struct content *content = &contents[count++];
        content->table = strdup((const char *)sqlite3_column_text(stmt, 0));
        content->query = content_query(content->table);
        content->rows = ask(content->query);
        cr_assert(content->rows[0] != 0, "no row in %s: this test must have one in every table", content->table);
    }
    sqlite3_finalize(stmt);
    return count;
}

static void expect_contents(struct content *contents, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char *now = ask(contents[i].query);
        if (strcmp(contents[i].table, "settings") != 0) /* an opened store adds its own */
            cr_expect(eq(str, now, contents[i].rows), "rows of %s changed", contents[i].table);
        free(now);
        free(contents[i].table);
        free(contents[i].query);
        free(contents[i].rows);
    }
}

/* The first version's rows, and those that `version` has besides. */
static void make_version(const char *path, unsigned version)
{
    char pragmas[128];
    snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = 0x534b5259; PRAGMA user_version = %u;", version);
    cr_assert(eq(int, sqlite3_open(path, &db), SQLITE_OK));
    for (unsigned i = 0; i < version; i++) {
        run(skr_migrations[i].sql);
        for (size_t k = 0; i + 1 == FIRST_VERSION && k < sizeof(rows) / sizeof(rows[0]); k++)
            run(rows[k]);
    }
    run("PRAGMA foreign_keys = ON");
    for (size_t k = 0; k < sizeof(later_rows) / sizeof(later_rows[0]); k++)
        if (later_rows[k].version == version)
            run(later_rows[k].sql);
    run(pragmas);
    EXPECT("PRAGMA foreign_key_check", "");
}

static void expect_sound(void)
{
    char version[16];
    snprintf(version, sizeof(version), "%u", skr_migration_count);
    EXPECT("PRAGMA user_version", version);
    EXPECT("PRAGMA foreign_key_check", "");
    EXPECT("PRAGMA integrity_check", "ok");
    EXPECT("SELECT count(*) FROM sqlite_master WHERE name LIKE '%\\_new' ESCAPE '\\'", "0");
}

static void expect_derived(void)
{
    EXPECT("SELECT group_concat(purpose) FROM (SELECT purpose FROM ip_allocation ORDER BY id)",
           "provider,adapter,manual");
    EXPECT("SELECT vm_networks || ' ' || vm_subnets || ' ' || network_adapters || ' ' || learned_addresses || ' ' || "
           "acl_rules || ' ' || customer_routes FROM usage WHERE id = " RED,
           "1 2 2 1 0 0");
    EXPECT("SELECT vm_networks + vm_subnets + network_adapters FROM usage WHERE id = " ID(02), "0");
    EXPECT("SELECT group_concat(hex(destination)) FROM (SELECT destination FROM effective_route WHERE vm_network_id "
           "= " ID(14) " ORDER BY destination)",
           "00000000000000000000FFFF0A00000018,00000000000000000000FFFF0A00010018");
    EXPECT("SELECT host_count FROM host_group WHERE id = " ID(04), "1");
    EXPECT("SELECT count(*) FROM label WHERE label_name = 'env' AND label_value = 'old'", "20");
    EXPECT("SELECT hex(tenant_id) FROM ip_pool WHERE id = " ID(19), "00000000000000000000000000000001");
    EXPECT("SELECT hex(label_tenant_id) FROM label WHERE label_object_id = " ID(19),
           "00000000000000000000000000000001");
    EXPECT("SELECT tenant_id IS NULL FROM ip_pool WHERE id = " ID(18), "1");
    EXPECT("SELECT group_concat(kind) FROM (SELECT kind FROM address_holding ORDER BY kind)",
           "adapter,learned,manual,provider");
    EXPECT("SELECT tenant_id IS NULL FROM event", "1");
    EXPECT("SELECT value FROM settings WHERE name = 'motto'", "islands");
}

/* The tables that were made anew have their triggers, and the references to them work. */
static void expect_alive(void)
{
    run("PRAGMA foreign_keys = ON");
    cr_expect(
            eq(int, sqlite3_exec(db, "DELETE FROM vm_subnet WHERE id = " ID(16), NULL, NULL, NULL), SQLITE_CONSTRAINT));
    cr_expect(eq(int, sqlite3_exec(db, "DELETE FROM logical_network", NULL, NULL, NULL), SQLITE_CONSTRAINT));
    cr_expect(eq(int, sqlite3_exec(db, "DELETE FROM network_adapter WHERE id = " ID(20), NULL, NULL, NULL),
                 SQLITE_CONSTRAINT));
    run("DELETE FROM lookup_record WHERE id = " ID(23) "; DELETE FROM network_adapter WHERE id = " ID(
            21) "; DELETE FROM vm_subnet WHERE id = " ID(17));
    EXPECT("SELECT vm_subnets || ' ' || network_adapters || ' ' || learned_addresses FROM usage WHERE id = " RED,
           "1 1 0");
    EXPECT("SELECT count(*) FROM effective_route", "1");
}

static void begin(struct skr_test_store *test, unsigned version)
{
    skr_test_store_open(test, NULL); /* for its directory */
    skr_test_store_close(test);
    cr_assert(eq(int, remove(test->path), 0));
    make_version(test->path, version);
}

static void upgrade(struct skr_test_store *test)
{
    sqlite3_close(db);
    skr_test_store_reopen(test, NULL);
    cr_expect(skr_test_has_tenant(test->store, "red"));
    skr_test_store_close(test);
    cr_assert(eq(int, sqlite3_open(test->path, &db), SQLITE_OK));
    expect_sound();
}

static void end(struct skr_test_store *test)
{
    sqlite3_close(db);
    skr_test_store_remove(test);
}

Test(upgrade, of_a_first_version_s_database_with_rows_in_every_table)
{
    struct skr_test_store test;
    struct content contents[TABLES_MAX];
    begin(&test, FIRST_VERSION);
    unsigned count = read_contents(contents);
    upgrade(&test);
    expect_contents(contents, count);
    expect_derived();
    expect_alive();
    end(&test);
}

/* The history begins with the objects that have an address then: not with those that wait for one, had one, or have
 * none. */
Test(upgrade, makes_holdings_of_what_holds_an_address)
{
    struct skr_test_store test;
    begin(&test, 15);
    upgrade(&test);
    EXPECT("SELECT group_concat(line, '; ') FROM (SELECT name || ' ' || kind || ' ' || owner_kind || ' ' || owner_name "
           "|| ' ' || substr(hex(ip_pool_id), 31) || ' ' || substr(hex(tenant_id), 31) AS line FROM address_holding "
           "ORDER BY address)",
           "10.0.0.2 adapter network-adapter web-1 19 01; 10.0.0.3 manual ip-allocation 10.0.0.3 19 01; "
           "10.0.0.9 vip ip-allocation 10.0.0.9 19 01; 10.0.1.9 learned network-adapter web-2  01; "
           "192.0.2.2 provider host h1 18 ");
    EXPECT("SELECT count(*) FROM address_holding WHERE held_from = 1 AND held_until IS NULL AND source_id = id", "5");
    EXPECT("SELECT count(*) FROM ip_allocation WHERE tenant_id = " RED, "4");
    EXPECT("SELECT ended FROM address_holding_total", "0");
    run("UPDATE address_holding SET held_until = 9 WHERE name = '10.0.0.9'");
    EXPECT("SELECT ended FROM address_holding_total", "1");
    run("DELETE FROM address_holding WHERE name = '10.0.0.9'");
    EXPECT("SELECT ended FROM address_holding_total", "0");
    end(&test);
}

Test(upgrade, calls_the_kind_of_an_allocation_its_purpose)
{
    struct skr_test_store test;
    begin(&test, 20);
    upgrade(&test);
    EXPECT("SELECT group_concat(purpose) FROM (SELECT purpose FROM ip_allocation ORDER BY id)",
           "provider,adapter,manual,vip");
    EXPECT("SELECT name FROM ip_allocation INDEXED BY ip_allocation_by_purpose WHERE purpose = 'vip'", "10.0.0.7");
    EXPECT("SELECT group_concat(name) FROM (SELECT name FROM vm_subnet INDEXED BY vm_subnet_by_tenant_prefix WHERE "
           "tenant_id = " RED " ORDER BY prefix)",
           "front,back");
    EXPECT("SELECT vlan_id FROM network_site_subnet_vlans INDEXED BY network_site_subnet_vlans_by_subnet WHERE subnet "
           "= " PREFIX("C0000200", "18"),
           "10");
    EXPECT("SELECT hex(owner_id) FROM network_site_subnet_vlans INDEXED BY network_site_subnet_vlans_by_vlan_id WHERE "
           "vlan_id = 10",
           "00000000000000000000000000000006");
    end(&test);
}

Test(upgrade, lets_go_of_held_profiles_and_counts_no_vlan)
{
    struct skr_test_store test;
    begin(&test, 21);
    EXPECT("SELECT vm_subnets FROM tenant_usage WHERE tenant_id = " RED, "3");
    upgrade(&test);
    EXPECT("SELECT group_concat(name) FROM compliance", "uplink");
    EXPECT("SELECT logical_switch_id IS NULL AND classification_id IS NULL FROM compliance", "1");
    EXPECT("SELECT vm_subnets FROM tenant_usage WHERE tenant_id = " RED, "2");
    run("DELETE FROM vm_subnet WHERE id = " ID(36));
    EXPECT("SELECT vm_subnets FROM tenant_usage WHERE tenant_id = " RED, "2");
    run(INTO(vm_subnet, OF(36, RED, "vlan") ", " ID(14) ", " PREFIX("C0000200", "18") ", NULL, NULL, NULL"));
    EXPECT("SELECT vm_subnets FROM tenant_usage WHERE tenant_id = " RED, "2");
    run(INTO(vm_subnet, OF(37, RED, "third") ", " ID(14) ", " PREFIX("0A000200", "18") ", 5003, NULL, NULL"));
    EXPECT("SELECT vm_subnets FROM tenant_usage WHERE tenant_id = " RED, "3");
    end(&test);
}
