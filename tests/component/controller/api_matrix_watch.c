/* Watches of the matrix: rows of every kind appear, change, report and go while principals of every narrow role watch;
 * what they hear names nothing foreign, and a filter by a foreign id is one by nobody's. */
#include "tests/component/controller/matrix.h"

#include <criterion/criterion.h>
#include <skerry/clock.h>
#include <string.h>

#define SOON 20000

TestSuite(api_matrix_watch, .init = matrix_set_up, .fini = matrix_tear_down, .timeout = 300);

static const enum who narrow[] = {TENANT, VIEWER, GROUP};

static struct api_watch *open_as(enum who who, const char *path)
{
    char *admins = matrix_server.token;
    matrix_server.token = matrix_bearer[who] + strlen("Authorization: Bearer ");
    struct api_watch *watch = api_watch_open(&matrix_server, path, NULL);
    matrix_server.token = admins;
    return watch;
}

/* Reads until a bookmark at `until` or later, or the end; counts the events between, and says which kinds came. */
static unsigned hear(struct api_watch *watch, enum who who, const char *what, long long until, uint64_t *ret_kinds)
{
    unsigned heard = 0;
    struct api_event event = {0};
    while (api_watch_next(watch, SOON, &event)) {
        bool bookmark = strcmp(event.type, "bookmark") == 0;
        char *text = json_dumps(event.data, JSON_COMPACT);
        bool end = (bookmark && event.id >= until) || strcmp(event.type, "error") == 0;
        matrix_check_text(who, what, text);
        const char *kind = json_string_value(json_object_get(event.data, "kind"));
        const struct skr_resource *resource = kind ? skr_resource_find(kind) : NULL;
        if (resource && ret_kinds)
            *ret_kinds |= UINT64_C(1) << resource->id;
        heard += !bookmark;
        if (strcmp(event.type, "gone") == 0)
            matrix_leak("%s of %s: %s", what, matrix_role_of[who], text);
        free(text);
        json_decref(event.data);
        if (end)
            return heard;
    }
    matrix_leak("%s of %s ends", what, matrix_role_of[who]);
    return heard;
}

/* ---- what happens ---- */

static int rename_rows(struct skr_txn *txn, void *side, struct skr_error *error)
{
    const struct skr_resource *order[SKR_RESOURCE_COUNT];
    unsigned count = matrix_order(order);
    for (unsigned i = 0; i < count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = NULL, *after = NULL;
        char name[100];
        if (order[i]->flags & SKR_RESOURCE_APPENDED)
            continue;
        int r = skr_txn_get(txn, order[i]->id, &matrix_rows[order[i]->id][*(enum side *)side], NULL, &before, error);
        if (r < 0)
            return r;
        after = skr_object_copy(before);
        const char *old = skr_object_text(before, SKR_FIELD_NAME);
        snprintf(name, sizeof(name), "%.80s again", old ? old : "");
        skr_object_set_text(after, SKR_FIELD_NAME, name);
        r = skr_txn_update(txn, before, after, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Only what reports write: tells of by status events. */
static int report_rows(struct skr_txn *txn, void *side, struct skr_error *error)
{
    const struct skr_resource *order[SKR_RESOURCE_COUNT];
    unsigned count = matrix_order(order);
    for (unsigned i = 0; i < count; i++) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *before = NULL, *after = NULL;
        bool some = false;
        if (order[i]->flags & SKR_RESOURCE_APPENDED)
            continue;
        int r = skr_txn_get(txn, order[i]->id, &matrix_rows[order[i]->id][*(enum side *)side], NULL, &before, error);
        if (r < 0)
            return r;
        after = skr_object_copy(before);
        for (unsigned f = 0; f < order[i]->field_count; f++) {
            const struct skr_field *field = &order[i]->fields[f];
            bool number = field->kind == SKR_KIND_INTEGER || field->kind == SKR_KIND_TIME;
            if (!(field->flags & SKR_FIELD_UNVERSIONED) || !number)
                continue;
            skr_object_set_integer(after, (int)f, skr_object_integer(before, (int)f) + 1);
            some = true;
        }
        r = some ? skr_txn_update(txn, before, after, error) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int remove_rows(struct skr_txn *txn, void *side, struct skr_error *error)
{
    const struct skr_resource *order[SKR_RESOURCE_COUNT];
    for (unsigned i = matrix_order(order); i-- > 0;) {
        SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
        if (order[i]->flags & SKR_RESOURCE_APPENDED)
            continue;
        int r = skr_txn_get(txn, order[i]->id, &matrix_rows[order[i]->id][*(enum side *)side], NULL, &row, error);
        if (r == 0)
            r = skr_txn_delete(txn, row, error);
        if (r < 0)
            return r;
    }
    return 0;
}

Test(api_matrix_watch, all_that_happens_to_rows_of_every_kind)
{
    struct api_watch *watches[SKR_ARRAY_SIZE(narrow)];
    char path[100];
    enum side own = OWN, foreign = FOREIGN;
    snprintf(path, sizeof(path), "/v1/watch?since=%lld", (long long)matrix_before);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(narrow); i++) {
        watches[i] = open_as(narrow[i], path);
        hear(watches[i], narrow[i], path, 0, NULL);
    }
    matrix_write(rename_rows, &foreign);
    matrix_write(report_rows, &foreign);
    matrix_write(rename_rows, &own);
    matrix_write(report_rows, &own);
    matrix_write(remove_rows, &foreign);
    long long until = skr_store_revision(matrix_server.database.store);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(narrow); i++) {
        uint64_t kinds = 0;
        hear(watches[i], narrow[i], path, until, &kinds);
        EACH_RESOURCE(r)
        {
            bool told = matrix_has(r->id) && !(r->flags & SKR_RESOURCE_APPENDED) && matrix_sees(narrow[i], r, OWN);
            if (told && !(kinds >> r_id & 1))
                matrix_leak("%s hears nothing of his own %s", matrix_role_of[narrow[i]], r->name);
            if (matrix_access(r, narrow[i]) == '-' && kinds >> r_id & 1)
                matrix_leak("%s hears of %s, which is not for him", matrix_role_of[narrow[i]], r->name);
        }
        api_watch_close(watches[i]);
    }
    /* A watch that opens late reads the same from the log. */
    for (size_t i = 0; i < SKR_ARRAY_SIZE(narrow); i++) {
        struct api_watch *late = open_as(narrow[i], path);
        hear(late, narrow[i], path, until, NULL);
        api_watch_close(late);
    }
    cr_expect_eq(matrix_leaks, 0, "%u", matrix_leaks);
}

Test(api_matrix_watch, filters_by_foreign_ids)
{
    static const struct {
        const char *name;
        enum skr_resource_id target;
    } filters[] = {{"id", SKR_RESOURCE_COUNT},
                   {"tenant_id", SKR_TENANT},
                   {"vm_network_id", SKR_VM_NETWORK},
                   {"host_id", SKR_HOST}};
    enum side foreign = FOREIGN;
    long long from = matrix_before;
    matrix_write(rename_rows, &foreign);
    long long until = skr_store_revision(matrix_server.database.store);
    unsigned asked = 0;
    for (size_t i = 0; i < SKR_ARRAY_SIZE(narrow); i++)
        EACH_RESOURCE(r)
    for (size_t f = 0; f < SKR_ARRAY_SIZE(filters); f++) {
        char path[200], id[SKR_UUID_TEXT_MAX];
        enum skr_resource_id target = f ? filters[f].target : r->id;
        bool hidden = matrix_has(r->id) && matrix_has(target) && !matrix_sees(narrow[i], r, FOREIGN);
        int field = skr_resource_field(r, filters[f].name);
        enum skr_role role = narrow[i] == GROUP ? SKR_ROLE_FABRIC : SKR_ROLE_TENANT;
        if (!hidden || matrix_access(r, narrow[i]) == '-' || field < 0 ||
            !skr_role_reads(r->fields[field].reader, role))
            continue;
        snprintf(path, sizeof(path), "/v1/watch?kinds=%s&since=%lld&%s=%s", r->name, from, filters[f].name,
                 matrix_id(target, FOREIGN, id));
        struct api_watch *watch = open_as(narrow[i], path);
        unsigned heard = hear(watch, narrow[i], path, until, NULL);
        if (heard)
            matrix_leak("%s of %s: %u events", path, matrix_role_of[narrow[i]], heard);
        api_watch_close(watch);
        asked++;
    }
    cr_assert_geq(asked, 30, "%u", asked);
    cr_expect_eq(matrix_leaks, 0, "%u", matrix_leaks);
}

/* Is the kind refused as one that does not exist? What comes of a watch that is granted never ends: its first event
 * says enough. */
static bool is_no_kind(enum who who, const char *kind)
{
    char path[120];
    struct api_event event = {0};
    snprintf(path, sizeof(path), "/v1/watch?kinds=%s", kind);
    struct api_watch *watch = open_as(who, path);
    bool granted = api_watch_next(watch, SOON, &event);
    bool refused = !granted && api_watch_ended(watch) && strstr(api_watch_rest(watch), "\"status\":400") &&
                   strstr(api_watch_rest(watch), "there is no kind");
    if (!refused)
        matrix_leak("%s of %s: %s", path, matrix_role_of[who], granted ? "granted" : api_watch_rest(watch));
    json_decref(event.data);
    api_watch_close(watch);
    return refused;
}

Test(api_matrix_watch, kinds_that_are_not_for_a_role)
{
    unsigned closed = 0;
    for (enum who who = FABRIC; who < NOBODY; who++)
        EACH_RESOURCE(r)
        {
            if (matrix_access(r, who) != '-')
                continue;
            closed += is_no_kind(who, r->name);
        }
    cr_assert_geq(closed, 20, "%u", closed);
    cr_expect_eq(matrix_leaks, 0, "%u", matrix_leaks);
}
