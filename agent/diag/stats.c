#include "agent/diag/private.h"
#include <ctype.h>
#include <skerry/macros.h>
#include <string.h>

/* NAME as "name", the word that drop reasons have in documents and tests, and the sentence that explains it. */
static const struct {
    const char *name, *text;
} reasons[] = {
#define REASON(name, text) {#name, text},
        SKR_DROP_REASONS(REASON)
#undef REASON
};

static json_t *reason_name(uint32_t reason)
{
    char name[64];
    size_t i = 0;
    if (reason >= SKR_ARRAY_SIZE(reasons))
        return json_string("unknown");
    for (; reasons[reason].name[i] && i < sizeof(name) - 1; i++)
        name[i] = (char)tolower((unsigned char)reasons[reason].name[i]);
    name[i] = 0;
    return json_string(name);
}

struct drops {
    const struct skr_diag_options *options;
    json_t *by_reason[SKR_ARRAY_SIZE(reasons) + 1];
};

/* One row a reason; below it the interfaces. */
static void add_drop(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count)
{
    struct drops *drops = arg;
    size_t slot = reason < SKR_ARRAY_SIZE(reasons) ? reason : SKR_ARRAY_SIZE(reasons);
    json_t *row = drops->by_reason[slot];
    if (!row)
        row = drops->by_reason[slot] = json_pack(
                "{s:o,s:s,s:I,s:[]}", "reason", reason_name(reason), "text",
                slot < SKR_ARRAY_SIZE(reasons) ? reasons[slot].text : "a reason of another build of the programs",
                "packets", (json_int_t)0, "interfaces");
    json_int_t sum = json_integer_value(json_object_get(row, "packets"));
    json_object_set_new(row, "packets", json_integer(sum + (json_int_t)count));
    json_array_append_new(json_object_get(row, "interfaces"),
                          json_pack("{s:s,s:I,s:I}", "interface", skr_diag_interface(drops->options, ifindex),
                                    "ifindex", (json_int_t)ifindex, "packets", (json_int_t)count));
}

static json_t *tell_drops(const struct skr_diag_options *options)
{
    struct drops drops = {.options = options};
    json_t *out = json_array();
    options->fastpath->ops->drops(options->fastpath, add_drop, &drops);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(drops.by_reason); i++)
        if (drops.by_reason[i])
            json_array_append_new(out, drops.by_reason[i]);
    return out;
}

struct meters {
    const struct skr_diag_options *options;
    json_t *items;
};

static int add_meter(void *arg, const void *key, const void *value)
{
    struct meters *meters = arg;
    const struct skr_abi_port *port = value;
    struct skr_abi_meter meter;
    struct skr_uuid id;
    uint32_t ifindex;
    char text[SKR_UUID_TEXT_MAX];
    memcpy(&ifindex, key, sizeof(ifindex));
    memcpy(id.bytes, port->adapter_id, sizeof(id.bytes));
    if (meters->options->fastpath->ops->meter(meters->options->fastpath, ifindex, &meter) < 0)
        return 0;
    json_array_append_new(meters->items,
                          json_pack("{s:s,s:s,s:I,s:I,s:I,s:I}", "adapter_id", skr_uuid_format(&id, text), "interface",
                                    skr_diag_interface(meters->options, ifindex), "tx_packets",
                                    (json_int_t)meter.tx_packets, "tx_bytes", (json_int_t)meter.tx_bytes, "rx_packets",
                                    (json_int_t)meter.rx_packets, "rx_bytes", (json_int_t)meter.rx_bytes));
    return json_array_size(meters->items) >= SKR_DIAG_ROWS_MAX;
}

static int count_entry(void *arg, const void *key, const void *value)
{
    (void)key;
    (void)value;
    (*(json_int_t *)arg)++;
    return 0;
}

static json_t *tell_tables(const struct skr_diag_options *options)
{
    json_t *out = json_array();
    for (int table = 0; table < SKR_TABLE_COUNT; table++) {
        json_int_t intended = 0;
        skr_program_each(options->program, table, count_entry, &intended);
        json_array_append_new(
                out, json_pack("{s:s,s:I}", "table", skr_fastpath_table_info(table)->name, "intended", intended));
    }
    return out;
}

json_t *skr_diag_stats(const struct skr_diag_options *options, const json_t *request)
{
    struct meters meters = {.options = options, .items = json_array()};
    (void)request;
    skr_program_each(options->program, SKR_TABLE_PORTS, add_meter, &meters);
    return json_pack("{s:o,s:o,s:o}", "drops", tell_drops(options), "meters", meters.items, "tables",
                     tell_tables(options));
}
