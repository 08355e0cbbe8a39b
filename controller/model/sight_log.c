/* Sight over history: what a principal saw of an object that the log remembers, and which writes concern it. */
#include "controller/model/rules.h"

#define ROWS_AT_ONCE   256
#define WRITE_ROWS_MAX (1 << 20) /* of one write that is asked about; a batch makes far fewer */

static bool is_within(const struct skr_sight *sight, const struct skr_log_row *row, const json_t *fields)
{
    struct skr_ids ids = {.items = sight->ids, .count = sight->count};
    struct skr_uuid id = row->id;
    if (sight->field != SKR_FIELD_ID) {
        const char *name = skr_resource_get(row->resource)->fields[sight->field].name;
        const char *text = json_string_value(json_object_get(fields, name));
        if (!text || skr_uuid_parse(text, &id) < 0)
            return false;
    }
    return skr_ids_search(&ids, &id);
}

bool skr_sight_covers_logged(const struct skr_sight *sight, const struct skr_log_row *row, const json_t *fields)
{
    switch (sight->kind) {
    case SKR_SIGHT_ALL:
        return true;
    case SKR_SIGHT_TENANT:
        return skr_uuid_equal(&sight->tenant_id, &row->tenant_id);
    case SKR_SIGHT_FABRIC:
        return skr_uuid_is_nil(&row->tenant_id);
    case SKR_SIGHT_WITHIN:
        return is_within(sight, row, fields);
    default:
        return false;
    }
}

/* ---- does a write concern the principal? ---- */

struct sights {
    struct skr_sight sights[SKR_RESOURCE_COUNT];
    bool asked[SKR_RESOURCE_COUNT];
};

static void sights_done(struct sights *sights)
{
    for (int i = 0; i < SKR_RESOURCE_COUNT; i++)
        skr_sight_done(&sights->sights[i]);
}

/* 1: the row is about something that the principal sees or saw. */
static int sees_row(struct skr_txn *txn, const struct skr_principal *principal, struct sights *sights,
                    const struct skr_log_row *row, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *object = NULL;
    struct skr_sight *sight = &sights->sights[row->resource];
    json_t *fields = NULL;
    int r = sights->asked[row->resource] ? 0 : skr_model_sees(txn, principal, row->resource, sight, error);
    if (r < 0)
        return r;
    sights->asked[row->resource] = true;
    bool by_field = sight->kind == SKR_SIGHT_WITHIN && sight->field != SKR_FIELD_ID;
    if (!by_field)
        return skr_sight_covers_logged(sight, row, NULL);
    r = row->has_fields ? skr_store_log_fields(txn, row->revision, &fields, error) : 0;
    bool seen = r == 0 && fields && skr_sight_covers_logged(sight, row, fields);
    json_decref(fields);
    if (r < 0 || seen)
        return r < 0 ? r : 1;
    r = skr_txn_get(txn, row->resource, &row->id, NULL, &object, error);
    return r == -ENOENT ? 0 : r < 0 ? r : skr_sight_covers(sight, object);
}

/* The first revision of the write that has this one; -ENOENT: the history has none. */
static int find_write(struct skr_txn *txn, int64_t revision, int64_t *ret_first, struct skr_error *error)
{
    struct skr_log_row row;
    struct skr_error gone = {0};
    size_t count = 0;
    int r = revision < 1 || revision > skr_txn_revision(txn)
                    ? -ENOENT
                    : skr_store_log_read(txn, revision - 1, 1, &row, &count, &gone);
    if (r < 0 && r != -ENOENT && gone.tag != SKR_ERROR_GONE) {
        *error = gone;
        return r;
    }
    if (r < 0 || !count)
        return -ENOENT;
    *ret_first = row.write_first;
    return 0;
}

int skr_model_sees_write(struct skr_txn *txn, const struct skr_principal *principal, int64_t revision,
                         struct skr_error *error)
{
    SKR_CLEANUP(sights_done) struct sights sights = {0};
    struct skr_log_row rows[ROWS_AT_ONCE];
    int64_t first = 0;
    int r = find_write(txn, revision, &first, error);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    int64_t at = first - 1;
    for (unsigned looked = 0; looked < WRITE_ROWS_MAX; looked += ROWS_AT_ONCE) {
        size_t count = 0;
        struct skr_error gone = {0};
        if (skr_store_log_read(txn, at, ROWS_AT_ONCE, rows, &count, &gone) < 0)
            return 0; /* its beginning has been forgotten */
        for (size_t i = 0; i < count; i++) {
            if (rows[i].write_first != first)
                return 0;
            r = sees_row(txn, principal, &sights, &rows[i], error);
            if (r != 0)
                return r;
        }
        if (count < ROWS_AT_ONCE)
            return 0;
        at = rows[count - 1].revision;
    }
    return 0;
}
